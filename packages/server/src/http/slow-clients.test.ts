/** Raw sockets that send slowly, stop sending, or never read: each is let go of, and nobody else waits for them. */

import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { fakeModel } from '../../test/fake-model.ts';
import { providerOf } from '../model-provider.ts';
import type { ServerLimits, SteelyardServer } from '../options.ts';
import { createServer } from '../server.ts';
import { readMultipart } from './read-multipart.ts';
import { closeUnread, closeUnsent } from './slow-clients.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function start(
  limits: Partial<ServerLimits>,
): Promise<{ server: SteelyardServer; port: number; url: string }> {
  const server = createServer({
    models: providerOf([fakeModel()]),
    port: 0,
    chatPage: false,
    limits: { drainMs: 50, ...limits },
  });
  ends.push(() => server.close());
  return { server, ...(await server.listen()) };
}

/** Sends the beginning, then `more` again and again. */
function slowClient(port: number, beginning: string, more?: string) {
  const socket: Socket = connect(port, '127.0.0.1');
  const timer = more === undefined ? undefined : setInterval(() => socket.write(more), 10);
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  socket.on('error', () => {});
  const closed = new Promise<string>((resolve) =>
    socket.once('close', () => {
      clearInterval(timer);
      resolve(text);
    }),
  );
  ends.push(() => socket.destroy());
  socket.write(beginning);
  return { closed, socket };
}

const HEAD = 'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';

describe('who sends slowly', () => {
  it.each([
    ['a head that never ends', { headersMs: 150 }, HEAD, 'X-More: x\r\n', /^HTTP\/1\.1 408 /],
    [
      'a body that comes byte by byte',
      { requestMs: 150 },
      `${HEAD}Content-Length: 100000\r\n\r\n{"model": "`,
      'x',
      /^HTTP\/1\.1 408 .*was not complete within 150 ms.*"request_timeout"/s,
    ],
    [
      'a body that falls silent',
      { silenceMs: 150 },
      `${HEAD}Content-Length: 100000\r\n\r\n{"model": "`,
      undefined,
      /^HTTP\/1\.1 408 .*fell silent for 150 ms.*"request_timeout"/s,
    ],
    [
      'chunks that never end',
      { requestMs: 150 },
      `${HEAD}Transfer-Encoding: chunked\r\n\r\n`,
      '1\r\n \r\n',
      /^HTTP\/1\.1 408 .*was not complete/s,
    ],
  ])('%s: 408, and the connection closes', async (_, limits, beginning, more, answer) => {
    const { port, url } = await start(limits);
    const many = Array.from({ length: 20 }, () => slowClient(port, beginning, more));
    expect((await fetch(`${url}/v1/models`)).status).toBe(200);
    for (const { closed } of many) expect(await closed).toMatch(answer);
  });

  it('a form that falls silent is refused, and its file dropped', async () => {
    const beginning = '--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\nhalf';
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode(beginning)),
    });
    const headers = { 'content-type': 'multipart/form-data; boundary=b' };
    const init = { method: 'POST', body, headers, duplex: 'half' } as RequestInit;
    let read = '';
    const take = async (content: AsyncIterable<Uint8Array>) => {
      for await (const piece of content) read += Buffer.from(piece).toString('utf8');
    };
    const form = readMultipart(
      new Request('http://localhost/', init),
      'file',
      take,
      () => Promise.resolve(),
      {
        silenceMs: 50,
      },
    );
    await expect(form).rejects.toMatchObject({ status: 408, code: 'request_timeout' });
    expect('half').toContain(read);
  });
});

it('who never reads an answer is cut off; who reads slowly, and who only waits, is not', async () => {
  const waiting: ServerResponse[] = [];
  const server = createHttpServer((request, response) => {
    if (request.url === '/wait') waiting.push(response);
    else response.end(Buffer.alloc(32 << 20));
  });
  closeUnread(server, 1_000);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const connections = () =>
    new Promise<number>((resolve, reject) =>
      server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );
  const open = (path: string): Socket => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    ends.push(() => socket.destroy());
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    return socket;
  };
  open('/wait');
  await expect.poll(() => waiting).toHaveLength(1);
  const deaf = open('/');
  deaf.pause();
  await expect.poll(() => connections()).toBe(2);
  await expect.poll(() => connections()).toBe(1);
  deaf.destroy();
  let got = 0;
  const slow = open('/');
  slow.on('data', (chunk) => {
    got += chunk.length;
    slow.pause();
    setTimeout(() => slow.resume(), 1);
  });
  await expect.poll(() => got, { timeout: 40_000 }).toBeGreaterThan(32 << 20);
  expect(waiting[0]!.writable).toBe(true);
});

it('who got an answer and goes on sending nothing is let go of', async () => {
  const server = createHttpServer((request, response) => {
    closeUnsent(request, response, 50);
    response.end('no');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => server.close());
  const { closed } = slowClient((server.address() as AddressInfo).port, `${HEAD}Content-Length: 9\r\n\r\n`);
  expect(await closed).toMatch(/^HTTP\/1\.1 200 .*no$/s);
});
