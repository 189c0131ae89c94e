/**
 * Opens a GGUF file in a browser: one that the user chose (a Blob, such as a File), or one at a URL whose server answers
 * ranges. Only its head is read; tensors are ranges that workers read, so that no file is ever held whole.
 */

import { UnsupportedError } from '@steelyard/core';
import { mayWait, readHead, readRangeNow, type RangeRead } from '@steelyard/core/browser';
import { checkRange } from '../byte-source.ts';
import { readGguf } from '../gguf.ts';
import type { ByteSource, GgufFile } from '../model-file.ts';

/** Metadata of most files fits, vocabularies included; what does not makes this grow. */
const HEAD_BYTES = 8 << 20;

/** Thrown while a head is parsed that goes on. */
class HeadEnded extends Error {}

interface Remote {
  readonly name: string;
  /** Where workers find it. */
  readonly url: string;
  readonly size: number;
  close(): void;
}

/** `parsed`: tells whether reads may leave the head by now. */
function headSource(remote: Remote, head: Uint8Array, parsed: () => boolean): ByteSource {
  const source: ByteSource = {
    name: remote.name,
    size: remote.size,
    path: remote.url,
    read(offset, length) {
      checkRange(source, offset, length);
      if (offset + length <= head.length) return head.subarray(offset, offset + length);
      if (!parsed()) throw new HeadEnded();
      if (mayWait()) return readRangeNow(remote.url, offset, length);
      throw new UnsupportedError(
        `${remote.name}: a page's main thread cannot wait for bytes ${offset} to ${offset + length}; open the model in a worker`,
      );
    },
    close: () => remote.close(),
  };
  return source;
}

async function openRemote(
  remote: Remote,
  readStart: (most: number) => Promise<Uint8Array>,
): Promise<GgufFile> {
  for (let most = HEAD_BYTES; ; most *= 2) {
    const head = await readStart(Math.min(most, remote.size));
    let parsed = false;
    try {
      const file = readGguf([headSource(remote, head, () => parsed)]);
      parsed = true;
      return file;
    } catch (error) {
      if (error instanceof HeadEnded) continue;
      remote.close();
      throw error;
    }
  }
}

/** A file that the user chose, or bytes at hand. Close it to let go of it. @throws FormatError, UnsupportedError */
export async function openModelBlob(blob: Blob, name = 'the file'): Promise<GgufFile> {
  const url = URL.createObjectURL(blob);
  const remote = { name, url, size: blob.size, close: () => URL.revokeObjectURL(url) };
  return openRemote(remote, async (most) => new Uint8Array(await blob.slice(0, most).arrayBuffer()));
}

/** A file on a server that answers ranges. @throws FormatError, UnsupportedError */
export async function openModelUrl(url: string | URL): Promise<GgufFile> {
  const { href, pathname } = new URL(url, location.href);
  const first: RangeRead = await readHead(href, HEAD_BYTES);
  const name = pathname.split('/').at(-1) || href;
  const remote = { name, url: href, size: first.size, close: () => undefined };
  return openRemote(remote, async (most) =>
    most <= first.bytes.length ? first.bytes : (await readHead(href, most)).bytes,
  );
}
