/** A server that speaks as much of S3's protocol as the storage asks for, and refuses all else. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export interface FakeS3 {
  readonly endpoint: string;
  readonly objects: ReadonlyMap<string, Buffer>;
  close(): Promise<void>;
}

export async function startFakeS3(bucket: string, accessKeyId: string): Promise<FakeS3> {
  const objects = new Map<string, Buffer>();
  const server = createServer((request, response) => {
    answer({ bucket, accessKeyId, objects }, request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Held {
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly objects: Map<string, Buffer>;
}

async function answer(
  { bucket, accessKeyId, objects }: Held,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const refuse = (status: number, code: string): void => {
    response.writeHead(status, { 'content-type': 'application/xml' });
    response.end(request.method === 'HEAD' ? undefined : `<Error><Code>${code}</Code></Error>`);
  };
  const signed = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/`;
  if (!request.headers.authorization?.startsWith(signed)) return refuse(403, 'InvalidAccessKeyId');
  const [, given, ...rest] = new URL(request.url!, 'http://s3').pathname.split('/');
  if (given !== bucket) return refuse(404, 'NoSuchBucket');
  const key = rest.join('/');
  const object = objects.get(key);
  if (request.method === 'PUT') {
    const body = await buffer(request);
    if (request.headers['content-encoding'] || Number(request.headers['content-length']) !== body.length)
      return refuse(501, 'NotImplemented');
    objects.set(key, body);
    response.writeHead(200, { etag: '"e"' }).end();
  } else if (request.method === 'DELETE') {
    objects.delete(key);
    response.writeHead(204).end();
  } else if (key === '' && request.method === 'HEAD') response.writeHead(200).end();
  else if (!object) refuse(404, 'NoSuchKey');
  else if (request.method === 'HEAD') response.writeHead(200, { 'content-length': object.length }).end();
  else response.writeHead(200, { 'content-length': object.length, etag: '"e"' }).end(object);
}
