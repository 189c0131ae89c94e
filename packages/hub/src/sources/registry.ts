/**
 * `oci:` and `ollama:` sources: a manifest names layers by digest, and annotations or media types say which file each
 * is. Known: ORAS (title annotations), the CNCF model format, Ollama, Docker's model format; layers that are tar
 * archives are unpacked.
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md
 * @see https://github.com/CloudNativeAI/model-spec
 */

import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { UnsupportedError } from '@steelyard/core';
import { unpackTar } from '../archives/tarball.ts';
import { fetchFile } from '../fetch-file.ts';
import type { HttpClient } from '../http/client.ts';
import { isObject, textOf, type JsonObject } from '../http/get-json.ts';
import { formatSource } from '../parse-source.ts';
import { ProgressMeter } from '../progress-meter.ts';
import type { PlannedFile, PullContext, PullPlan } from '../pull-plan.ts';
import type { RegistrySource } from '../pull-source.ts';
import { checkRelativePath } from '../store/safe-path.ts';
import { chooseModelFiles, isModelFile } from './model-files.ts';
import { Registry, type Layer } from './registry-api.ts';

const FILE_ANNOTATIONS = [
  'org.cncf.model.filepath',
  'org.cnai.model.filepath',
  'org.opencontainers.image.title',
] as const;

export async function planRegistry(
  source: RegistrySource,
  context: PullContext,
  client: HttpClient,
): Promise<PullPlan> {
  const text = formatSource(source);
  const registry = new Registry(source, context, client);
  const { manifest, digest } = await registry.manifest();
  const stem = `${source.repository.split('/').at(-1) ?? 'model'}-${shortReference(source.reference)}`;
  const files: (PlannedFile & { path: string })[] = [];
  for (const [index, layer] of registry.layers(manifest).entries()) {
    if (/[.+/-]tar(?:[+.]\w+)?$/.test(layer.mediaType)) {
      files.push(...(await unpackLayer(layer, index, registry, context, client, text)));
    } else {
      const path = fileNameOf(layer, stem, files);
      if (path !== undefined) files.push(registry.file(layer, checkRelativePath(path, text)));
    }
  }
  const chosen = chooseModelFiles(files, undefined, text);
  // Ollama's own files beside the weights stay: `show` and people may want them.
  const kept = new Set(chosen.files.map(({ file }) => file));
  const extras = files.filter(
    (file) => !kept.has(file) && /^(?:template|params|system)\.ollama/.test(file.path),
  );
  const license = licenseOf(manifest);
  return {
    name: stem.replace(/-latest$/, ''),
    files: [...chosen.files.map(({ file, path }) => ({ ...file, path })), ...extras],
    open: chosen.open,
    ...(license === undefined ? {} : { license }),
    metadata: { manifest: digest },
  };
}

function shortReference(reference: string): string {
  return reference.startsWith('sha256:') ? reference.slice(7, 19) : reference;
}

/** The published name, or one made for layers that are known by their type only; undefined for what is no file. */
function fileNameOf(layer: Layer, stem: string, before: readonly { path: string }[]): string | undefined {
  for (const key of FILE_ANNOTATIONS) {
    const name = textOf(layer.annotations[key]);
    if (name !== undefined) return isModelFile(name) ? name : undefined;
  }
  const numbered = (name: string, ending = ''): string => {
    const count = before.filter(({ path }) => path.startsWith(name)).length;
    return `${name}${count === 0 ? '' : `.${count + 1}`}${ending}`;
  };
  switch (layer.mediaType) {
    case 'application/vnd.ollama.image.model':
    case 'application/vnd.docker.ai.gguf.v3':
      return numbered(stem, '.gguf');
    case 'application/vnd.ollama.image.projector':
      return numbered('mmproj', '.gguf');
    case 'application/vnd.ollama.image.template':
      return 'template.ollama';
    case 'application/vnd.ollama.image.params':
      return 'params.ollama.json';
    case 'application/vnd.ollama.image.system':
      return 'system.ollama';
    case 'application/vnd.ollama.image.license':
    case 'application/vnd.docker.ai.license':
      return numbered('LICENSE');
    default:
      return undefined;
  }
}

/** Archives come whole, are unpacked, and go; only their model files stay. */
async function unpackLayer(
  layer: Layer,
  index: number,
  registry: Registry,
  context: PullContext,
  client: HttpClient,
  source: string,
): Promise<(PlannedFile & { path: string })[]> {
  if (/zstd?$/.test(layer.mediaType)) {
    throw new UnsupportedError(`${source}: a layer is ${layer.mediaType}; expected tar, plain or with gzip`);
  }
  const label = `${source} layer ${layer.digest.slice(0, 19)}`;
  const file = registry.file(layer, `layer-${index}.tar`);
  const meter = new ProgressMeter([file], context.options.onProgress);
  const { sha256 } = await fetchFile(file, 0, { client, context, meter });
  const folder = join(context.temporary, `layer-${index}`);
  await mkdir(folder);
  const blob = context.layout.blob(sha256);
  const unpacked = await unpackTar(blob, folder, label, {
    strip: 0,
    wanted: isModelFile,
    signal: context.signal,
  });
  await rm(blob, { force: true });
  return unpacked.map(({ path, size, file: at }) => ({
    path,
    size,
    origin: { kind: 'local', path: at, link: true },
  }));
}

function licenseOf(manifest: JsonObject): string | undefined {
  const annotations = isObject(manifest['annotations']) ? manifest['annotations'] : {};
  return textOf(annotations['org.opencontainers.image.licenses']);
}
