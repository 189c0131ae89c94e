/**
 * Files cut into parts to fit a registry's size limit, put together again: `model.gguf.part00` …, `.part1of4` …,
 * `.gguf.001` …, also when each part is in a package of its own. Split GGUF (`-00001-of-00004.gguf`) is not this: its
 * parts are files of their own and stay.
 */

import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { FormatError } from '@steelyard/core';
import { Digests } from '../digests.ts';
import { isWeights } from './model-files.ts';
import type { PackageEntry } from './package-entry.ts';

const PART =
  /^(?<whole>.+\.(?:gguf|safetensors))[._-](?:part|split|chunk)?[._-]?(?<index>\d{1,5})(?:[._-]?of[._-]?(?<count>\d{1,5}))?$/i;
const SUMS = /^sha256sums(?:\.txt)?$|\.sha256(?:sum)?$/i;
const MAX_SUMS_BYTES = 1 << 20;

/**
 * Replaces parts by whole files, and gives each whole file the hash that a SHA256SUMS file of the package states.
 * @throws FormatError when a part is missing
 */
export async function joinParts(entries: readonly PackageEntry[], source: string): Promise<PackageEntry[]> {
  const sums = await readSums(entries);
  const groups = new Map<string, { entry: PackageEntry; index: number; count: number | undefined }[]>();
  const others: PackageEntry[] = [];
  for (const entry of entries) {
    const groupsOfName = PART.exec(posix.basename(entry.path))?.groups;
    if (!groupsOfName?.['whole']) {
      others.push(entry);
      continue;
    }
    const { whole, index, count } = groupsOfName;
    const part = { entry, index: Number(index), count: count === undefined ? undefined : Number(count) };
    groups.set(whole, [...(groups.get(whole) ?? []), part]);
  }
  const joined = [...groups].map(([whole, parts]) => {
    const ordered = [...parts].sort((a, b) => a.index - b.index);
    checkComplete(whole, ordered, source);
    return join(
      whole,
      ordered.map((part) => part.entry),
    );
  });
  return [...joined, ...others].map((entry) => {
    const sha256 = isWeights(entry.path) ? sums.get(posix.basename(entry.path)) : undefined;
    return entry.sha256 === undefined && sha256 !== undefined ? { ...entry, sha256 } : entry;
  });
}

/** Whether a name is a part, or states hashes: wanted from a package beside the model files. */
export function isPartOrSums(path: string): boolean {
  const name = posix.basename(path);
  return PART.test(name) || SUMS.test(name);
}

function checkComplete(
  whole: string,
  parts: readonly { index: number; count: number | undefined }[],
  source: string,
): void {
  const first = parts[0]?.index ?? 0;
  const indices = parts.map((part) => part.index).join(', ');
  const consecutive = first <= 1 && parts.every((part, at) => part.index === first + at);
  const declared = parts.find((part) => part.count !== undefined)?.count;
  if (consecutive && (declared === undefined || declared === parts.length)) return;
  throw new FormatError(
    `${source}: of ${whole} the parts ${indices} are there${declared === undefined ? '' : ` of ${declared}`}; ` +
      'expected all from 0 or 1 on, each once',
  );
}

function join(whole: string, parts: readonly PackageEntry[]): PackageEntry {
  return {
    path: posix.join(posix.dirname(parts[0]?.path ?? ''), whole),
    size: parts.reduce((sum, part) => sum + part.size, 0),
    from: parts[0]?.from ?? whole,
    open: () => Promise.resolve(Readable.from(readAll(parts), { objectMode: false })),
  };
}

async function* readAll(parts: readonly PackageEntry[]): AsyncGenerator<Buffer> {
  for (const part of parts) {
    const digests = new Digests(part);
    for await (const chunk of (await part.open()) as AsyncIterable<Buffer>) {
      digests.update(chunk);
      yield chunk;
    }
    digests.finish(part, part.from);
  }
}

/** Lines of `<64 hex>  <name>`, as sha256sum writes them. */
async function readSums(entries: readonly PackageEntry[]): Promise<Map<string, string>> {
  const sums = new Map<string, string>();
  for (const entry of entries) {
    if (!SUMS.test(posix.basename(entry.path)) || entry.size > MAX_SUMS_BYTES) continue;
    const chunks: Buffer[] = [];
    for await (const chunk of (await entry.open()) as AsyncIterable<Buffer>) chunks.push(chunk);
    for (const line of Buffer.concat(chunks).toString('utf8').split('\n')) {
      const [, sha256, name] = /^([0-9a-f]{64})\s+\*?(.+?)\s*$/i.exec(line) ?? [];
      if (sha256 && name) sums.set(posix.basename(name), sha256.toLowerCase());
    }
  }
  return sums;
}
