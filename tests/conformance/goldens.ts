/** Finds the golden models by listing their folder, so that none is forgotten and none needs registering. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseGolden, type Golden, type GoldenFile, type GoldenJson } from './golden.ts';

const root = join(import.meta.dirname, '../golden/models');

export function listGoldens(): Golden[] {
  return folders(root).flatMap((architecture) =>
    folders(join(root, architecture)).map((variant) => readGolden(architecture, variant)),
  );
}

function folders(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

function readGolden(architecture: string, variant: string): Golden {
  const folder = join(root, architecture, variant);
  const json = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as GoldenJson;
  const bytes = readFileSync(join(folder, 'logits.f32'));
  const logits = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  return parseGolden({ architecture, variant, json, logits, files: listFiles(folder, json.quantised) });
}

function listFiles(folder: string, quantised = false): GoldenFile[] {
  const gguf = readdirSync(folder).filter((name) => name.endsWith('.gguf'));
  const files = gguf.sort().map((name): GoldenFile => {
    const type = name.replace(/^model-|\.gguf$/g, '');
    return { format: `gguf ${type}`, path: join(folder, name), quantised: quantised || type.startsWith('q') };
  });
  const published = existsSync(join(folder, 'model.safetensors'));
  return published ? [{ format: 'safetensors', path: folder, quantised }, ...files] : files;
}
