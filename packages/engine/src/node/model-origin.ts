/** Digests of a model's files and template, for receipts. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { cpuAvailability } from '@steelyard/backend-cpu';
import type { Backend } from '@steelyard/graph';
import type { ChatTemplate } from '@steelyard/text';
import type { ModelOrigin } from '../types.ts';

/** The first of a split GGUF file names how many there are. */
const PART = /^(.*)-00001-of-(\d{5})\.gguf$/;

interface OriginParts {
  readonly backend: Backend;
  readonly template: ChatTemplate | undefined;
  /** Of the files, where it is known. */
  readonly digest?: string | undefined;
}

/** @returns what computes it at the first call, and tries again where that failed */
export function originOf(
  path: string,
  { backend, template, digest }: OriginParts,
): () => Promise<ModelOrigin> {
  const level = backend.name === 'cpu' ? cpuAvailability().level : undefined;
  const sources = template && [template.source, template.toolSource ?? ''];
  const known = {
    ...(sources && { template: createHash('sha256').update(JSON.stringify(sources)).digest('hex') }),
    ...(level !== undefined && { level }),
  };
  let weights: Promise<string> | undefined;
  return async () => {
    weights ??= (digest === undefined ? filesDigest(path) : Promise.resolve(digest)).catch(
      (error: unknown) => {
        weights = undefined;
        throw error;
      },
    );
    return { ...known, weights: await weights };
  };
}

/** As the store has it: SHA-256 over the sorted lines `sha256  path`. */
async function filesDigest(path: string): Promise<string> {
  const lines = (await filesOf(path)).map(async ({ file, name }) => `${await fileDigest(file)}  ${name}\n`);
  const sorted = (await Promise.all(lines)).sort();
  return createHash('sha256').update(sorted.join('')).digest('hex');
}

async function filesOf(path: string): Promise<{ file: string; name: string }[]> {
  if (!(await stat(path)).isDirectory()) {
    const [, stem, count] = PART.exec(path) ?? [];
    const files =
      stem === undefined
        ? [path]
        : Array.from(
            { length: Number(count) },
            (_, i) => `${stem}-${String(i + 1).padStart(5, '0')}-of-${count}.gguf`,
          );
    return files.map((file) => ({ file, name: basename(file) }));
  }
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ file, name: relative(path, file).split(sep).join('/') }));
}

async function fileDigest(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}
