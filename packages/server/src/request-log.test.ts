import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStorage, type Storage } from '@steelyard/storage';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
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
  await expect.poll(() => log).toHaveLength(1);
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

it('says nothing of probes and scrapes', async () => {
  const { url, log } = await listening();
  for (const path of ['/health', '/health/live', '/health/ready', '/metrics']) {
    const response = await fetch(`${url}${path}`);
    expect(response.status).toBe(200);
    await response.text();
  }
  await (await fetch(`${url}/v1/models`)).text();
  await expect.poll(() => log).toHaveLength(1);
  expect(log[0]!.path).toBe('/v1/models');
});

it('says what was refused, without a caller where there is none', async () => {
  const { url, log } = await listening();
  await (await fetch(`${url}/v1/files/file-1`)).text();
  await expect.poll(() => log).toHaveLength(1);
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
    await expect.poll(() => log).toHaveLength(1);
    expect(log[0]!.asked).toBe(asked);
    expect(log[0]!.answered).toBe(content ? 'an answer' : undefined);
  },
);

describe('a server with keys', () => {
  let directory: string;
  let storage: Storage;
  const log: RequestLogEntry[] = [];
  const make = (logContent?: boolean) =>
    createServer({
      models: providerOf([fakeModel()]),
      storage: () => Promise.resolve(storage),
      keys: true,
      apiKey: 'admin',
      port: 0,
      chatPage: false,
      requestLog: (entry) => log.push(entry),
      ...(logContent === undefined ? {} : { logContent }),
    });

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'steelyard-log-'));
    storage = await openStorage({ directory });
  }, 120_000);
  afterAll(async () => {
    await storage.close();
    await rm(directory, { recursive: true, force: true });
  });

  const send = async ({ app }: SteelyardServer, key: string, path: string, body?: unknown) => {
    const from = log.length;
    const response = await app.request(path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    await expect.poll(() => log.length).toBeGreaterThan(from);
    return { status: response.status, text, entry: log.at(-1)! };
  };

  const chat = { model: 'fake', messages: [{ role: 'user', content: 'a secret' }] };
  const made = async (app: SteelyardServer, path: string, body: object) =>
    JSON.parse((await send(app, 'admin', path, body)).text) as { id: string; value: string };
  const project = async (app: SteelyardServer, more: object, scopes: object = {}) => {
    const { id } = await made(app, '/v1/organization/projects', { name: 'p', ...more });
    const key = await made(app, `/v1/organization/projects/${id}/api_keys`, { name: 'k', ...scopes });
    return { id, key };
  };

  it('logs content only of the projects that have turned it on, whole and streaming', async () => {
    const app = make();
    const silent = await project(app, {});
    const open = await project(app, { logs_content: true });
    for (const stream of [false, true]) {
      const quiet = await send(app, silent.key.value, '/v1/chat/completions', { ...chat, stream });
      expect(quiet.entry).toMatchObject({ status: 200, project: silent.id });
      expect(JSON.stringify(quiet.entry)).not.toMatch(/secret|Hello/);
      const told = await send(app, open.key.value, '/v1/chat/completions', { ...chat, stream });
      expect(told.entry).toMatchObject({ project: open.id, asked: { ...chat, stream } });
      expect(told.entry.answered).toContain('Hello');
    }
    await send(app, 'admin', `/v1/organization/projects/${open.id}`, { logs_content: false });
    const after = await send(app, open.key.value, '/v1/chat/completions', chat);
    expect(JSON.stringify(after.entry)).not.toMatch(/secret|Hello/);
  });

  it('logs none of any project where the server has it off', async () => {
    const app = make(false);
    const open = await project(app, { logs_content: true });
    const { entry } = await send(app, open.key.value, '/v1/chat/completions', chat);
    expect(JSON.stringify(entry)).not.toMatch(/secret|Hello/);
  });

  it('says whose request was refused', async () => {
    const app = make();
    const { id, key } = await project(app, {}, { scopes: ['files'], models: ['fake'] });
    const { entry } = await send(app, key.value, '/v1/chat/completions', chat);
    expect(entry).toMatchObject({ status: 403, project: id, key_id: key.id });
    const mine = await send(app, key.value, '/v1/organization/projects');
    expect(mine.entry).toMatchObject({ status: 403, project: id, key_id: key.id });
    const limited = await project(app, {}, { limits: { requests_per_minute: 1 } });
    await send(app, limited.key.value, '/v1/models');
    const late = await send(app, limited.key.value, '/v1/models');
    expect(late.entry).toMatchObject({ status: 429, key_id: limited.key.id });
    const unknown = await send(app, 'sk-nobody', '/v1/models');
    expect(unknown.entry).toMatchObject({ status: 401, project: null, key_id: null });
  });
});
