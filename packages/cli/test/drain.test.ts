/** `steelyard serve` as a process, told to stop while it answers. The engine is a stub that takes its time. */

import { Agent, request } from 'node:http';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { startReceiver } from '../../server/test/otlp-receiver.ts';
import { bundleOf, type Bundle, type Started } from './bundle.ts';

let bundle: Bundle;
const running: Started[] = [];
beforeAll(async () => (bundle = await bundleOf('stub-main.ts')), 60_000);
afterEach(() => running.splice(0).forEach(({ child }) => child.kill('SIGKILL')));
afterAll(() => bundle.remove());

async function serve(...args: string[]): Promise<Started & { url: string }> {
  const started = bundle.start(['serve', '--port', '0', ...args], { STUB_DELAY_MS: '20' });
  running.push(started);
  const url = await vi.waitFor(
    () =>
      /http:\/\/127\.0\.0\.1:\d+/.exec(started.written.stdout)?.[0] ??
      Promise.reject(new Error('no address')),
    { timeout: 20_000 },
  );
  return { ...started, url };
}

const bodyOf = (words: number, stream: boolean) =>
  JSON.stringify({
    ...{ model: 'tiny', stream, max_tokens: words },
    messages: [{ role: 'user', content: 'word '.repeat(words) }],
  });

/** Resolves once the answer has begun; `text` when it has ended, `broken` if it broke off. */
async function chat(url: string, words: number): Promise<{ readonly text: Promise<string> }> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: bodyOf(words, true),
  });
  return { text: response.text() };
}

/** By a connection that is kept. */
function ask(
  url: string,
  path: string,
  agent: Agent,
  body?: string,
): Promise<{ status: number; retryAfter: string | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const sent = request(
      `${url}${path}`,
      { agent, headers, method: body === undefined ? 'GET' : 'POST' },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => (text += chunk));
        answer.on('end', () =>
          resolve({ status: answer.statusCode!, retryAfter: answer.headers['retry-after'], text }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

const stopping = (server: Started) => expect.poll(() => server.written.stderr).toContain('stopping');

it('SIGTERM lets streams end whole, refuses new requests with 503 meanwhile, and ends with 0', async () => {
  const server = await serve('--limits-drain', '50s');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  expect(await ask(server.url, '/health/ready', agent)).toMatchObject({ status: 200 });
  const streams = await Promise.all([chat(server.url, 60), chat(server.url, 60), chat(server.url, 60)]);
  // Asked while the server takes requests, answered when it no longer does.
  const idle = ask(server.url, '/v1/chat/completions', agent, bodyOf(40, false));
  await expect
    .poll(async (): Promise<unknown> => (await fetch(`${server.url}/health`)).json())
    .toMatchObject({ active_requests: 4 });
  server.child.kill('SIGTERM');
  await stopping(server);
  const asked = async (path: string) => {
    const { status, headers } = await fetch(`${server.url}${path}`);
    return [status, headers.get('retry-after'), headers.get('connection')];
  };
  expect(await asked('/health/live')).toEqual([200, null, 'close']);
  expect(await asked('/health/ready')).toEqual([503, '5', 'close']);
  expect(await asked('/v1/models')).toEqual([503, '5', 'close']);
  for (const { text } of streams) {
    const answer = await text;
    expect(answer).toMatch(/"finish_reason":"length"/);
    expect(answer.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(answer).not.toContain('server_shutting_down');
  }
  expect(await idle).toMatchObject({ status: 200 });
  expect((await server.finished).code).toBe(0);
});

it('a connection that is open gets 503 with Retry-After while the server drains', async () => {
  const server = await serve('--limits-drain', '50s');
  const { text } = await chat(server.url, 100);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  // A request half sent holds its connection open over the signal.
  const body = bodyOf(5, false);
  const head = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) };
  const late = new Promise<{ status: number | undefined; retryAfter: string | undefined; text: string }>(
    (resolve, reject) => {
      const sent = request(
        `${server.url}/v1/chat/completions`,
        { agent, method: 'POST', headers: head },
        (answer) => {
          let answered = '';
          answer.on('data', (chunk: Buffer) => (answered += chunk.toString('utf8')));
          answer.on('end', () =>
            resolve({ status: answer.statusCode, retryAfter: answer.headers['retry-after'], text: answered }),
          );
        },
      );
      sent.on('error', reject);
      sent.write(body.slice(0, 10), () => {
        server.child.kill('SIGTERM');
        void stopping(server).then(() => sent.end(body.slice(10)));
      });
    },
  );
  expect(await late).toMatchObject({
    status: 503,
    retryAfter: '5',
    text: expect.stringContaining('server_shutting_down') as string,
  });
  expect((await text).endsWith('data: [DONE]\n\n')).toBe(true);
  expect((await server.finished).code).toBe(0);
});

it('what takes longer than it may is ended, and told so', async () => {
  const server = await serve('--limits-drain', '100ms');
  const { text } = await chat(server.url, 100_000);
  server.child.kill('SIGTERM');
  expect(await text).toMatch(/"code":"server_shutting_down"/);
  expect((await server.finished).code).toBe(0);
});

it('traces of the last answers are sent before the end', async () => {
  const receiver = await startReceiver();
  try {
    const server = await serve('--telemetry-endpoint', new URL('/', receiver.url).href);
    const { text } = await chat(server.url, 20);
    server.child.kill('SIGTERM');
    await text;
    expect((await server.finished).code).toBe(0);
    expect(receiver.spans.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['POST /v1/chat/completions', 'chat tiny', 'queue', 'prefill', 'decode']),
    );
    expect(receiver.resource).toMatchObject({ 'service.name': 'steelyard', 'service.version': '0.0.0' });
  } finally {
    receiver.close();
  }
});

it('a second signal ends it at once', async () => {
  const server = await serve('--limits-drain', '10m');
  const { text } = await chat(server.url, 100_000);
  text.catch(() => {});
  server.child.kill('SIGTERM');
  await stopping(server);
  server.child.kill('SIGTERM');
  expect((await server.finished).code).toBe(143);
  await expect(text).rejects.toThrow();
});
