/** A web server on 127.0.0.1 whose answers a test writes; it counts requests, serves ranges, and fails on demand. */

import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface TestServer extends AsyncDisposable {
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  readonly host: string;
  /** `GET /path` of every request, in order. */
  readonly log: string[];
}

export async function serve(handler: Handler): Promise<TestServer> {
  const log: string[] = [];
  const server = createServer((request, response) => {
    const range = request.headers.range === undefined ? '' : ` ${request.headers.range}`;
    log.push(`${request.method} ${request.url}${range}`);
    handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    host: `127.0.0.1:${port}`,
    log,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface FileOptions {
  readonly etag?: string;
  /** Answers 200 with everything, whatever was asked. */
  readonly ignoresRange?: boolean;
  /** Breaks the connection after so many bytes of this answer. */
  readonly dropAfter?: number | undefined;
  /** Sends slowly: so many bytes, then a pause of 10 ms. */
  readonly slowly?: number;
}

/** Answers with a file as a good server does: Range, If-Range, 206, 416. */
export function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
  options: FileOptions = {},
): void {
  const etag = options.etag ?? `"${sha256(body).slice(0, 16)}"`;
  const wanted = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
  const guard = request.headers['if-range'];
  const from =
    wanted !== undefined && !options.ignoresRange && (guard === undefined || guard === etag)
      ? Number(wanted)
      : 0;
  if (from > 0 && from >= body.length) {
    response.writeHead(416, { 'content-range': `bytes */${body.length}` }).end();
    return;
  }
  const part = body.subarray(from);
  const range = from > 0 ? { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` } : {};
  response.writeHead(from > 0 ? 206 : 200, { etag, 'content-length': part.length, ...range });
  if (options.dropAfter !== undefined && options.dropAfter < part.length) {
    response.write(part.subarray(0, options.dropAfter), () => setTimeout(() => response.destroy(), 60));
  } else if (options.slowly !== undefined) sendSlowly(response, part, options.slowly);
  else response.end(part);
}

function sendSlowly(response: ServerResponse, body: Buffer, step: number): void {
  if (body.length === 0 || response.destroyed) {
    response.end();
    return;
  }
  response.write(body.subarray(0, step));
  setTimeout(() => sendSlowly(response, body.subarray(step), step), 10);
}

export function sendJson(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

export function sha256(body: Buffer | string): string {
  return createHash('sha256').update(body).digest('hex');
}

/** Bytes that look like nothing else, the same for each seed. */
export function randomBytesOf(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed * 2654435761 + 1;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}
