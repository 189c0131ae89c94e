/** Ranges of a file that has a URL (http, https, blob), in a browser: read later, or now where a worker may wait. */

import { FormatError, UnsupportedError } from '../errors.ts';

const PARTIAL = 206;

function rangeHeader(offset: number, length: number): string {
  return `bytes=${offset}-${offset + length - 1}`;
}

/** Whether this thread may wait for bytes: workers may, a page's main thread not. */
export function mayWait(): boolean {
  return typeof document === 'undefined' && typeof XMLHttpRequest !== 'undefined';
}

function checked(url: string, status: number, bytes: ArrayBuffer, length: number): Uint8Array<ArrayBuffer> {
  if (status !== PARTIAL) {
    throw new UnsupportedError(
      `${url}: the server answered ${status} to a request for a range of bytes, expected 206; use a server that has ranges, or download the file and give it as a Blob`,
    );
  }
  if (bytes.byteLength === length) return new Uint8Array(bytes);
  throw new FormatError(
    `${url}: got ${bytes.byteLength} bytes of a range of ${length}; the file is cut short, or changed meanwhile`,
  );
}

/** In a worker. @throws UnsupportedError where the server has no ranges, FormatError past the end */
export function readRangeNow(url: string, offset: number, length: number): Uint8Array<ArrayBuffer> {
  if (length === 0) return new Uint8Array(0);
  const request = new XMLHttpRequest();
  request.open('GET', url, false);
  request.responseType = 'arraybuffer';
  request.setRequestHeader('Range', rangeHeader(offset, length));
  try {
    request.send();
  } catch (error) {
    throw new UnsupportedError(`${url}: cannot be read: ${(error as Error).message}`, { cause: error });
  }
  return checked(url, request.status, request.response as ArrayBuffer, length);
}

export interface RangeRead {
  readonly bytes: Uint8Array;
  /** Of the whole file. */
  readonly size: number;
}

/** The file's first bytes, all where it has no more, and its size. */
export async function readHead(url: string, most: number): Promise<RangeRead> {
  const response = await fetch(url, { headers: { Range: rangeHeader(0, most) } }).catch((error: unknown) => {
    throw new UnsupportedError(`${url}: cannot be read: ${(error as Error).message}`, { cause: error });
  });
  const size = Number(/\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '')?.[1]);
  if (response.status === PARTIAL && !Number.isSafeInteger(size)) {
    throw new UnsupportedError(
      `${url}: the answer tells no size (Content-Range); let the server expose that header, or give the file as a Blob`,
    );
  }
  const bytes = await response.arrayBuffer();
  return { bytes: checked(url, response.status, bytes, Math.min(most, size)), size };
}
