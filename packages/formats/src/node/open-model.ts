/** Opens a published model by path: a GGUF file (or the first of its parts), a safetensors file, or a folder. */

import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { FormatError, NotFoundError, UnsupportedError } from '@steelyard/core';
import type { TensorData } from '@steelyard/graph';
import { readGguf } from '../gguf.ts';
import { parseJson, parseJsonObject } from '../json.ts';
import type { ByteSource, GgufFile, ModelFile, SafetensorsFile } from '../model-file.ts';
import { readSafetensors } from '../safetensors.ts';
import { shown } from '../shown.ts';
import { fileSource } from './file-source.ts';

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
/** Larger than any published tokenizer.json. */
const MAX_JSON_BYTES = 256 << 20;
const PART = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/;

/** @throws NotFoundError, FormatError, UnsupportedError */
export function openModel(path: string): ModelFile {
  if (!existsSync(path))
    throw new NotFoundError(`there is no ${path}; check the path, or run: steelyard list`);
  if (statSync(path).isDirectory()) return openFolder(path);
  if (path.endsWith('.gguf')) return openGguf(path);
  if (path.endsWith('.safetensors')) return openSafetensors(dirname(path), [basename(path)]);
  return openByMagic(path);
}

/** Files in a content store have no extension. */
function openByMagic(path: string): ModelFile {
  const source = fileSource(path);
  const head = source.size >= 4 ? new TextDecoder('latin1').decode(source.read(0, 4)) : '';
  source.close();
  if (head === 'GGUF') return openGguf(path);
  throw new UnsupportedError(
    `${path} is neither .gguf nor .safetensors, nor a folder with config.json; name one of these`,
  );
}

function openFolder(folder: string): ModelFile {
  const names = readdirSync(folder);
  if (names.includes(INDEX)) return openShards(folder);
  // Repositories may hold the same weights again, under other names.
  if (names.includes(SINGLE)) return openSafetensors(folder, [SINGLE]);
  const safetensors = names.filter((name) => name.endsWith('.safetensors'));
  if (safetensors.length === 1) return openSafetensors(folder, safetensors);
  const ggufs = names.filter(
    (name) => name.endsWith('.gguf') && (PART.exec(name)?.[2] ?? '00001') === '00001',
  );
  if (ggufs.length === 1) return openGguf(join(folder, ggufs[0] as string));
  const found = [...safetensors, ...ggufs].join(', ') || 'no model file';
  throw new FormatError(
    `${folder}: found ${found}, expected one .gguf, one .safetensors, or ${INDEX}; name the file`,
  );
}

/** Opens all, or closes what it opened and throws. */
function openAll(paths: readonly string[]): [ByteSource, ...ByteSource[]] {
  const sources: ByteSource[] = [];
  try {
    for (const path of paths) sources.push(fileSource(path));
  } catch (error) {
    for (const source of sources) source.close();
    throw error;
  }
  return sources as [ByteSource, ...ByteSource[]];
}

function openGguf(path: string): GgufFile {
  const part = PART.exec(basename(path));
  const count = Number(part?.[3] ?? 1);
  if (count < 1 || count > 9999)
    throw new FormatError(`${path}: names ${count} parts, expected 1 to 9999; rename it`);
  const paths = part
    ? Array.from({ length: count }, (_, i) =>
        join(dirname(path), `${part[1]}-${String(i + 1).padStart(5, '0')}-of-${part[3]}.gguf`),
      )
    : [path];
  const sources = openAll(paths);
  try {
    return readGguf(sources);
  } catch (error) {
    for (const source of sources) source.close();
    throw error;
  }
}

/** Undefined where the folder has no such file. */
function readSmall(folder: string, name: string): Uint8Array | undefined {
  const path = join(folder, name);
  if (!existsSync(path)) return undefined;
  const source = fileSource(path);
  try {
    if (source.size > MAX_JSON_BYTES) {
      throw new FormatError(
        `${path}: size is ${source.size} bytes, expected at most ${MAX_JSON_BYTES}; it is another kind of file`,
      );
    }
    return source.read(0, source.size);
  } finally {
    source.close();
  }
}

function readJson(folder: string, name: string): Record<string, unknown> | undefined {
  const bytes = readSmall(folder, name);
  return bytes && parseJsonObject(join(folder, name), bytes);
}

/** The steps that sentence-transformers runs; each in a folder of its own, or in this one. */
function readModules(folder: string): SafetensorsFile['modules'] {
  const path = join(folder, 'modules.json');
  const bytes = readSmall(folder, 'modules.json');
  if (!bytes) return undefined;
  const listed = parseJson(path, bytes);
  if (!Array.isArray(listed)) {
    throw new FormatError(`${path}: is ${shown(listed)}, expected a list of modules; pull it again`);
  }
  return listed.map((entry: unknown) => {
    const { type, path: inside } = (entry ?? {}) as Record<string, unknown>;
    if (typeof type === 'string' && typeof inside === 'string' && /^(\w+)?$/.test(inside)) {
      const config = inside === '' ? undefined : readJson(folder, join(inside, 'config.json'));
      return { type, config: config ?? {} };
    }
    throw new FormatError(
      `${path}: has ${shown(entry)}, expected a type and the name of a folder; pull it again`,
    );
  });
}

/** Shard of each tensor, as the index says; each a plain file name in the same folder. */
function readWeightMap(folder: string): ReadonlyMap<string, string> {
  const path = join(folder, INDEX);
  const map = readJson(folder, INDEX)?.['weight_map'];
  if (typeof map !== 'object' || map === null || Object.keys(map).length === 0) {
    throw new FormatError(
      `${path}: weight_map is ${shown(map)}, expected an object of file names by tensor; pull it again`,
    );
  }
  const entries = Object.entries(map as Record<string, unknown>);
  for (const [tensor, file] of entries) {
    if (typeof file !== 'string' || !/^(?!\.)[^/\\:\0]+\.safetensors$/.test(file)) {
      throw new FormatError(
        `${path}: weight_map names ${shown(file)} for ${shown(tensor)}, expected a .safetensors file beside it; do not trust this repository`,
      );
    }
  }
  return new Map(entries as [string, string][]);
}

function openShards(folder: string): SafetensorsFile {
  const weightMap = readWeightMap(folder);
  const model = openSafetensors(folder, [...new Set(weightMap.values())].sort());
  for (const [tensor, file] of weightMap) {
    if (model.tensors.has(tensor)) continue;
    model.close();
    throw new FormatError(
      `${join(folder, file)}: has no tensor ${shown(tensor)}, which ${INDEX} expects in it; pull it again`,
    );
  }
  return model;
}

function openSafetensors(folder: string, names: readonly string[]): SafetensorsFile {
  const config = readJson(folder, 'config.json');
  if (!config) {
    throw new FormatError(`${folder}: has no config.json beside the safetensors; pull the whole repository`);
  }
  const sources = openAll(names.map((name) => join(folder, name)));
  const tensors = new Map<string, TensorData>();
  try {
    for (const source of sources) {
      for (const [name, tensor] of readSafetensors(source)) {
        if (tensors.has(name)) {
          throw new FormatError(
            `${source.name}: tensor ${shown(name)} is in another shard too, expected it once; pull it again`,
          );
        }
        tensors.set(name, tensor);
      }
    }
    return {
      ...describeFolder(folder, config),
      tensors,
      close: () => sources.forEach((source) => source.close()),
    };
  } catch (error) {
    for (const source of sources) source.close();
    throw error;
  }
}

function describeFolder(folder: string, config: Record<string, unknown>) {
  const tokenizer = readJson(folder, 'tokenizer.json');
  const tokenizerConfig = readJson(folder, 'tokenizer_config.json');
  const generationConfig = readJson(folder, 'generation_config.json');
  const modules = readModules(folder);
  const template = readSmall(folder, 'chat_template.jinja');
  return {
    format: 'safetensors' as const,
    name: basename(folder),
    config,
    ...(tokenizer && { tokenizer }),
    ...(tokenizerConfig && { tokenizerConfig }),
    ...(generationConfig && { generationConfig }),
    ...(modules && { modules }),
    ...(template && { chatTemplate: new TextDecoder().decode(template) }),
  };
}
