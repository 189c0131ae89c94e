/** One planned file into the blobs, by whatever way it comes. */

import { createReadStream } from 'node:fs';
import { link, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { FormatError } from '@steelyard/core';
import { Digests } from './digests.ts';
import { throwIfAborted, writeFailure } from './failures.ts';
import type { HttpClient } from './http/client.ts';
import { download } from './http/download.ts';
import type { ProgressMeter } from './progress-meter.ts';
import type { Origin, PlannedFile, PullContext } from './pull-plan.ts';
import type { StoredFile } from './stored-model.ts';
import { hasBlob, hashFile, publishBlob, sizeOf } from './store/blobs.ts';
import { keyOf } from './store/layout.ts';
import { withLock } from './store/lock.ts';

export interface FetchTools {
  readonly client: HttpClient;
  readonly context: PullContext;
  readonly meter: ProgressMeter;
}

/** Fetches file number `index` unless its content is here already. @returns what the manifest says of it */
export async function fetchFile(file: PlannedFile, index: number, tools: FetchTools): Promise<StoredFile> {
  const { context, meter } = tools;
  throwIfAborted(context.signal);
  if (file.sha256 !== undefined && (await hasBlob(context.layout, file.sha256, file.size))) {
    return alreadyHere(file.path, file.sha256, index, tools);
  }
  const { origin } = file;
  switch (origin.kind) {
    case 'http':
      return fetchOverHttp({ ...file, origin }, index, tools);
    case 'local':
      return origin.link
        ? linkFile(file, origin.path, index, tools)
        : writeStream(file, () => readFrom(origin.path), origin.path, index, tools);
    case 'stream':
      return writeStream(file, origin.open, origin.from, index, tools);
    case 'text':
      meter.set('extract', index, 0);
      return writeStream(
        file,
        () => Promise.resolve(Readable.from([Buffer.from(origin.text)])),
        'text',
        index,
        tools,
      );
  }
}

function readFrom(path: string): Promise<Readable> {
  return Promise.resolve(createReadStream(path, { highWaterMark: 1 << 20 }));
}

async function alreadyHere(
  path: string,
  sha256: string,
  index: number,
  tools: FetchTools,
): Promise<StoredFile> {
  const size = (await sizeOf(tools.context.layout.blob(sha256))) ?? 0;
  tools.meter.setSize(index, size);
  tools.meter.set('verify', index, size);
  return { path, size, sha256 };
}

/** Two pulls of one file take turns: the second finds the blob, or goes on with the partial. */
async function fetchOverHttp(
  file: PlannedFile & { origin: Extract<Origin, { kind: 'http' }> },
  index: number,
  tools: FetchTools,
): Promise<StoredFile> {
  const { context, meter, client } = tools;
  const { layout } = context;
  const key = keyOf(file.sha256 ?? file.origin.url);
  const onWait = (pid: number): void =>
    context.notice(`process ${pid} is downloading ${file.path} already; waiting for it`);
  return withLock(layout.lock(`file-${key}`), { signal: context.signal, onWait }, async () => {
    if (file.sha256 !== undefined && (await hasBlob(layout, file.sha256, file.size))) {
      return alreadyHere(file.path, file.sha256, index, tools);
    }
    let kept = 0;
    const partial = layout.partial(key);
    const { sha256, size } = await download(file, partial, client, context, {
      kept: (count) => meter.set('verify', index, (kept += count)),
      received: (count) => meter.add('download', index, count),
      restarted: () => meter.set('download', index, (kept = 0)),
      size: (bytes) => meter.setSize(index, bytes),
    });
    await publishBlob(layout, partial, sha256);
    await rm(`${partial}.json`, { force: true });
    return { path: file.path, size, sha256 };
  });
}

/** A hard link shares the bytes with the user's own file; across file systems it becomes a copy. */
async function linkFile(
  file: PlannedFile,
  path: string,
  index: number,
  tools: FetchTools,
): Promise<StoredFile> {
  const { context, meter } = tools;
  const temporary = join(context.temporary, `link-${index}`);
  try {
    await link(path, temporary);
  } catch {
    context.notice(`${path} cannot be linked into ${context.layout.root}; copying it`);
    return writeStream(file, () => readFrom(path), path, index, tools);
  }
  const sha256 = await hashFile(temporary, {
    signal: context.signal,
    onBytes: (count) => meter.add('extract', index, count),
  });
  const size = (await sizeOf(temporary)) ?? 0;
  await publishBlob(context.layout, temporary, sha256);
  return { path: file.path, size, sha256 };
}

/** Writes a stream of this disk to a temporary file and publishes it when it is what was promised. */
async function writeStream(
  file: PlannedFile,
  openStream: () => Promise<Readable>,
  from: string,
  index: number,
  tools: FetchTools,
): Promise<StoredFile> {
  const { context, meter } = tools;
  const { layout } = context;
  const path = join(context.temporary, `file-${index}`);
  const digests = new Digests(file);
  const stream = await openStream();
  const target = await open(path, 'w');
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      throwIfAborted(context.signal);
      if (file.size !== undefined && digests.bytes + chunk.length > file.size) {
        throw new FormatError(
          `${file.path} from ${from}: holds more than the ${file.size} bytes it declares`,
        );
      }
      digests.update(chunk);
      await target.writeFile(chunk);
      meter.add('extract', index, chunk.length);
    }
  } catch (error) {
    throw await writeFailure(error, layout.root, file.path, file.size && file.size - digests.bytes);
  } finally {
    stream.destroy();
    await target.close();
  }
  const sha256 = digests.finish(file, from);
  if (await hasBlob(layout, sha256, digests.bytes)) await rm(path, { force: true });
  else await publishBlob(layout, path, sha256);
  return { path: file.path, size: digests.bytes, sha256 };
}
