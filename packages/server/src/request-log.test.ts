import { afterEach, expect, it, vi } from 'vitest';
import { fakeModel } from '../test/fake-model.ts';
import { providerOf } from './model-provider.ts';
import type { SteelyardServer } from './options.ts';
import { ANYBODY } from './access/caller.ts';
import { LoggedRequest, type RequestLogEntry } from './request-log.ts';
import { createServer } from './server.ts';

let server: SteelyardServer | undefined;
afterEach(() => server?.close());

async function listening(): Promise<{ url: string; log: RequestLogEntry[] }> {
  const log: RequestLogEntry[] = [];
  server = createServer({
    models: providerOf([fakeModel()]),
    port: 0,
    chatPage: false,
    apiKey: 'sesame',
    requestLog: (entry) => log.push(entry),
  });
  return { url: (await server.listen()).url, log };
}

it.each([false, true])('says who, what and how much when the answer has ended; stream %s', async (stream) => {
  const { url, log } = await listening();
  const body = { model: 'fake', stream, messages: [{ role: 'user', content: 'a secret' }] };
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer sesame' },
    body: JSON.stringify(body),
  });
  await response.text();
  await vi.waitFor(() => expect(log).toHaveLength(1), { timeout: 20_000 });
  expect(log[0]).toEqual({
    time: expect.stringMatching(/^\d{4}-.*Z$/) as string,
    request_id: response.headers.get('x-request-id'),
    method: 'POST',
    path: '/v1/chat/completions',
    status: 200,
    ms: expect.any(Number) as number,
    project: 'default',
    key_id: 'key_of_server',
    model: 'fake',
    ...{ input_tokens: 2, cached_tokens: 2, output_tokens: 3 },
  });
});

it('says what was refused, without a caller where there is none', async () => {
  const { url, log } = await listening();
  await (await fetch(`${url}/v1/files/file-1`)).text();
  await vi.waitFor(() => expect(log).toHaveLength(1), { timeout: 20_000 });
  expect(log[0]).toMatchObject({ status: 401, path: '/v1/files/{file_id}', project: null, model: null });
});

it.each([
  [true, 'a secret'],
  [false, undefined],
])(
  'holds content of a project that has it logged, unless the server has it off: %s',
  async (content, asked) => {
    const log: RequestLogEntry[] = [];
    const head = { request_id: 'req_1', method: 'POST', path: '/v1/x' };
    const logged = new LoggedRequest(head, (entry) => log.push(entry), { content });
    logged.from({ ...ANYBODY, logsContent: true });
    logged.asks('a secret');
    logged.answers(200, new Response('an answer'), undefined);
    await vi.waitFor(() => expect(log).toHaveLength(1));
    expect(log[0]!.asked).toBe(asked);
    expect(log[0]!.answered).toBe(content ? 'an answer' : undefined);
  },
);
