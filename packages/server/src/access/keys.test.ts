/** A server that asks for keys: who gets in, as whom, to what, how often, and what is written down of it. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createStubEmbeddingModel } from '@steelyard/engine/testing';
import { openStorage, type Storage } from '@steelyard/storage';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakeModel } from '../../test/fake-model.ts';
import { upload } from '../../test/multipart.ts';
import { providerOf } from '../model-provider.ts';
import type { KeyObject, ProjectObject } from '../schemas/organization.ts';
import { createServer } from '../server.ts';
import type { SteelyardServer } from '../options.ts';

let directory: string;
let storage: Storage;
let server: SteelyardServer;
let admin: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'steelyard-keys-'));
  storage = await openStorage({ directory });
  server = makeServer();
  admin = (await server.listen()).adminKey!;
}, 120_000);

afterAll(async () => {
  await server.close();
  await storage.close();
  await rm(directory, { recursive: true, force: true });
});

function makeServer(more: { apiKey?: string } = {}): SteelyardServer {
  return createServer({
    models: providerOf([fakeModel(), fakeModel({ name: 'other' })]),
    embeddingModels: providerOf([createStubEmbeddingModel({ name: 'vectors' })]),
    storage: () => Promise.resolve(storage),
    keys: true,
    prices: { fake: { input: 1_000_000, output: 2_000_000 } },
    port: 0,
    chatPage: false,
    ...more,
  });
}

async function call(key: string | undefined, method: string, path: string, body?: unknown) {
  const response = await server.app.request(path, {
    method,
    headers: {
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const json = (await response.json()) as Record<string, unknown>;
  return { status: response.status, headers: response.headers, body: json, error: json['error'] };
}

async function newProject(more: object = {}): Promise<string> {
  const { body } = await call(admin, 'POST', '/v1/organization/projects', { name: 'a team', ...more });
  return (body as unknown as ProjectObject).id;
}

async function newKey(project: string, more: object = {}): Promise<{ id: string; key: string }> {
  const made = await call(admin, 'POST', `/v1/organization/projects/${project}/api_keys`, {
    name: 'k',
    ...more,
  });
  expect(made).toMatchObject({ status: 200 });
  const { id, value } = made.body as unknown as KeyObject;
  return { id, key: value! };
}

const chat = { model: 'fake', messages: [{ role: 'user', content: 'Say hello' }] };
const say = (key: string, body: object = chat) => call(key, 'POST', '/v1/chat/completions', body);

describe('a first start', () => {
  it('tells an admin key once, and takes no others for one', async () => {
    expect(admin).toMatch(/^sk-sy-/);
    const again = makeServer();
    expect((await again.listen()).adminKey).toBe(undefined);
    await again.close();
    expect((await call(admin, 'GET', '/v1/organization/projects')).status).toBe(200);
    const { key } = await newKey('default');
    expect(await call(key, 'GET', '/v1/organization/projects')).toMatchObject({
      status: 403,
      error: { code: 'insufficient_permissions' },
    });
  });

  it('may be given the admin key', async () => {
    const given = makeServer({ apiKey: 'from the environment' });
    expect((await given.listen()).adminKey).toBe(undefined);
    const headers = { 'x-api-key': 'from the environment' };
    expect((await given.app.request('/v1/organization/projects', { headers })).status).toBe(200);
    await given.close();
  });

  it('is refused without storage, and without any key where others reach it', () => {
    const models = providerOf([fakeModel()]);
    expect(() => createServer({ models, keys: true })).toThrow('there is none');
    expect(() => createServer({ models, host: '0.0.0.0' })).toThrow('no key is asked for');
  });
});

describe('who gets in', () => {
  it('needs a key that works', async () => {
    expect(await call(undefined, 'GET', '/v1/models')).toMatchObject({
      status: 401,
      error: { code: 'missing_api_key' },
    });
    for (const wrong of ['none', `sk-sy-${'x'.repeat(43)}`, admin.slice(0, -1)]) {
      expect(await call(wrong, 'GET', '/v1/models')).toMatchObject({
        status: 401,
        error: { code: 'invalid_api_key' },
      });
    }
    expect((await server.app.request('/health')).status).toBe(200);
    const { key } = await newKey('default');
    expect((await server.app.request('/v1/models', { headers: { 'x-api-key': key } })).status).toBe(200);
  });

  it('ends with a revocation, an end of time, or the archive', async () => {
    const project = await newProject();
    const [revoked, archived] = [await newKey(project), await newKey(project)];
    expect((await say(revoked.key)).status).toBe(200);
    const gone = await call(admin, 'DELETE', `/v1/organization/projects/${project}/api_keys/${revoked.id}`);
    expect(gone.body).toMatchObject({ deleted: true });
    expect(await say(revoked.key)).toMatchObject({ status: 401, error: { code: 'invalid_api_key' } });
    await call(admin, 'POST', `/v1/organization/projects/${project}/archive`);
    expect(await say(archived.key)).toMatchObject({ status: 401 });

    const late = await storage.access.createKey({
      ...{ project: 'default', name: 'late', expiresAt: 1_000 },
      scopes: { admin: false, endpoints: ['all'] },
    });
    expect(await say(late.secret)).toMatchObject({ status: 401, error: { code: 'expired_api_key' } });
  });
});

describe('scopes', () => {
  it('are asked for by each tool of /mcp, and for what tools of a response read', async () => {
    const { key } = await newKey('default', { scopes: ['embeddings', 'responses'] });
    const tool = async (name: string, args: object) => {
      const response = await server.app.request('/mcp', {
        method: 'POST',
        headers: {
          ...{ authorization: `Bearer ${key}`, 'content-type': 'application/json' },
          accept: 'application/json, text/event-stream',
        },
        body: JSON.stringify({
          ...{ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args } },
        }),
      });
      const { result } = (await response.json()) as {
        result: { content: { text: string }[]; isError?: boolean };
      };
      return { text: result.content[0]!.text, isError: result.isError ?? false };
    };
    expect(await tool('embed', { model: 'vectors', input: ['a'] })).toMatchObject({ isError: false });
    const refused = await tool('generate', { model: 'fake', prompt: 'x' });
    expect(refused).toMatchObject({
      isError: true,
      text: expect.stringContaining("expected 'chat'") as string,
    });
    expect(await tool('list_models', {})).toMatchObject({
      ...{ isError: true, text: expect.stringContaining("expected 'models:read'") as string },
    });
    const search = { tools: [{ type: 'file_search', vector_store_ids: ['vs_1'] }] };
    expect(await call(key, 'POST', '/v1/responses', { model: 'fake', input: 'x', ...search })).toMatchObject({
      ...{ status: 403, error: { code: 'insufficient_permissions' } },
    });
  });

  it('hold a key to groups of endpoints, to read or to write', async () => {
    const { key } = await newKey('default', { scopes: ['files:read', 'chat'] });
    expect((await say(key)).status).toBe(200);
    expect((await call(key, 'GET', '/v1/files')).status).toBe(200);
    const write = await call(key, 'POST', '/v1/files', {});
    expect(write).toMatchObject({ status: 403, error: { code: 'insufficient_permissions' } });
    expect(JSON.stringify(write.error)).toContain("expected 'files'");
    expect((await call(key, 'GET', '/v1/models')).status).toBe(403);
    const all = await newKey('default');
    expect((await call(all.key, 'DELETE', '/api/delete', { model: 'fake' })).status).toBe(403);
    const reader = await newKey('default', { scopes: ['read'] });
    expect((await call(reader.key, 'GET', '/v1/models')).status).toBe(200);
    expect((await say(reader.key)).status).toBe(403);
    const typo = await call(admin, 'POST', '/v1/organization/projects/default/api_keys', {
      name: 'k',
      scopes: ['chats'],
    });
    expect(typo).toMatchObject({ status: 400, error: { param: 'scopes[0]' } });
  });

  it('hold a key to models', async () => {
    const { key } = await newKey('default', { models: ['Fake'] });
    const { body } = await call(key, 'GET', '/v1/models');
    expect((body['data'] as { id: string }[]).map(({ id }) => id)).toEqual(['fake']);
    expect((await say(key)).status).toBe(200);
    expect(await say(key, { ...chat, model: 'other' })).toMatchObject({
      status: 403,
      error: { code: 'model_not_found', param: 'model' },
    });
    const embed = { model: 'vectors', input: 'x' };
    expect((await call(key, 'POST', '/v1/embeddings', embed)).status).toBe(403);
  });
});

it('shows a project nothing of another', async () => {
  const [a, b] = [await newKey(await newProject()), await newKey(await newProject())];
  const file = await upload(
    server.app,
    { purpose: 'batch', file: new File(['{}'], 'a.jsonl') },
    { authorization: `Bearer ${a.key}` },
  );
  const { id } = (await file.json()) as { id: string };
  const response = await call(a.key, 'POST', '/v1/responses', { model: 'fake', input: 'Hi' });
  const conversation = await call(a.key, 'POST', '/v1/conversations', {
    items: [{ type: 'message', role: 'user', content: 'Hi' }],
  });
  const responseId = String(response.body['id']);
  const conversationId = String(conversation.body['id']);
  const paths = [
    `/v1/files/${id}`,
    `/v1/responses/${responseId}`,
    `/v1/responses/${responseId}/input_items`,
    `/v1/conversations/${conversationId}`,
    `/v1/conversations/${conversationId}/items`,
  ];
  for (const path of paths) {
    expect((await call(a.key, 'GET', path)).status, path).toBe(200);
    expect((await call(b.key, 'GET', path)).status, path).toBe(404);
  }
  expect((await call(b.key, 'GET', '/v1/files')).body['data']).toEqual([]);
  for (const path of [paths[0]!, paths[1]!, paths[3]!])
    expect((await call(b.key, 'DELETE', path)).status, path).toBe(404);
  expect((await call(b.key, 'POST', `/v1/responses/${responseId}/cancel`)).status).toBe(404);
  const onward = { model: 'fake', input: 'And?', previous_response_id: responseId };
  expect((await call(b.key, 'POST', '/v1/responses', onward)).status).toBe(400);
  expect((await call(a.key, 'POST', '/v1/responses', onward)).status).toBe(200);
  const within = { model: 'fake', input: 'And?', conversation: conversationId };
  expect((await call(b.key, 'POST', '/v1/responses', within)).status).toBe(404);
  const items = (await call(a.key, 'GET', paths[4]!)).body['data'] as { id: string }[];
  const reference = { model: 'fake', input: [{ type: 'item_reference', id: items[0]!.id }] };
  expect((await call(b.key, 'POST', '/v1/responses', reference)).status).toBe(404);
  expect((await call(a.key, 'POST', '/v1/responses', reference)).status).toBe(200);
});

describe('limits', () => {
  it('count requests by the minute, of a key and of its project', async () => {
    const project = await newProject({ limits: { requests_per_minute: 3 } });
    const { key } = await newKey(project, { limits: { requests_per_minute: 2 } });
    const first = await say(key);
    expect(first.headers.get('x-ratelimit-limit-requests')).toBe('2');
    expect(first.headers.get('x-ratelimit-remaining-requests')).toBe('1');
    expect(first.headers.get('x-ratelimit-reset-requests')).toMatch(/^(30|29)s$/);
    await say(key);
    const refused = await say(key);
    expect(refused).toMatchObject({ status: 429, error: { code: 'rate_limit_exceeded', type: 'requests' } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(25);
    const sibling = await newKey(project);
    expect((await say(sibling.key)).status).toBe(200);
    expect((await say(sibling.key)).status).toBe(429);
  });

  it('count tokens when they are known, those of vectors too', async () => {
    const { key } = await newKey('default', { limits: { tokens_per_minute: 5 } });
    // Two in, three out.
    expect((await say(key)).status).toBe(200);
    const refused = await say(key);
    expect(refused).toMatchObject({ status: 429, error: { type: 'tokens' } });
    expect(refused.headers.get('x-ratelimit-remaining-tokens')).toBe('0');
    const other = await newKey('default', { limits: { tokens_per_minute: 1 } });
    await call(other.key, 'POST', '/v1/embeddings', { model: 'vectors', input: 'two words' });
    expect((await say(other.key)).status).toBe(429);
  });

  it('hold spending to a budget, and report it', async () => {
    const project = await newProject();
    const { key, id } = await newKey(project, { limits: { dollars_per_month: 8 } });
    expect((await say(key)).status).toBe(200);
    // A change forgets what is remembered of keys.
    await newKey(project);
    expect(await say(key)).toMatchObject({ status: 429, error: { code: 'insufficient_quota' } });
    expect((await call(key, 'GET', '/v1/models')).status).toBe(200);
    const since = Math.floor(Date.now() / 1000) - 60;
    const query = `?start_time=${since}&project_id=${project}`;
    const used = await call(admin, 'GET', `/v1/organization/usage/completions${query}`);
    expect(used.body).toMatchObject({
      object: 'page',
      data: [
        {
          object: 'bucket',
          results: [
            { input_tokens: 2, output_tokens: 3, num_model_requests: 1, api_key_id: null, model: null },
          ],
        },
      ],
    });
    const grouped = await call(
      admin,
      'GET',
      `/v1/organization/usage/completions${query}&group_by[]=model&group_by[]=api_key_id&models[]=fake`,
    );
    expect(grouped.body).toMatchObject({
      data: [{ results: [{ num_model_requests: 1, api_key_id: id, model: 'fake', project_id: null }] }],
    });
    const none = await call(admin, 'GET', `/v1/organization/usage/completions${query}&models[]=other`);
    expect(none.body).toMatchObject({ data: [{ results: [] }], has_more: false, next_page: null });
    const wrong = await call(admin, 'GET', `/v1/organization/usage/completions${query}&group_by[]=colour`);
    expect(wrong).toMatchObject({ status: 400, error: { param: 'group_by[0]' } });
    const spent = await call(admin, 'GET', `/v1/organization/costs${query}`);
    expect(spent.body).toMatchObject({ data: [{ results: [{ amount: { value: 8, currency: 'usd' } }] }] });
  });
});

it('writes down what admins do, and never a key', async () => {
  const project = await newProject();
  const { id, key } = await newKey(project);
  await call(admin, 'DELETE', `/v1/organization/projects/${project}/api_keys/${id}`);
  const entries = [];
  for await (const entry of storage.audit.read({ project })) entries.push(entry);
  const [first] = await storage.access.keys({ admin: true });
  const actor = first!.id;
  expect(entries.map((entry) => [entry.action, entry.actor, entry.subject])).toEqual([
    ['project.created', actor, project],
    ['key.created', actor, id],
    ['key.revoked', actor, id],
  ]);
  expect(JSON.stringify(entries)).not.toContain(key);
  expect(await storage.audit.verify()).toMatchObject({ intact: true });
  const keys = await call(admin, 'GET', `/v1/organization/projects/${project}/api_keys`);
  expect(JSON.stringify(keys.body)).not.toContain(key);
  expect(keys.body).toMatchObject({
    data: [{ owner: { service_account: { id } }, owner_project_access: 'inactive' }],
  });
});

it('lists the audit log, newest first, in pages and by what is asked', async () => {
  const project = await newProject();
  const { id, key } = await newKey(project, { scopes: ['chat'] });
  await call(admin, 'POST', `/v1/organization/projects/${project}`, { name: 'renamed' });
  await call(admin, 'DELETE', `/v1/organization/projects/${project}/api_keys/${id}`);
  type Logs = {
    data: { id: string; type: string; effective_at: number }[];
    has_more: boolean;
    last_id: string;
  };
  const list = async (query: string) =>
    (await call(admin, 'GET', `/v1/organization/audit_logs?project_ids[]=${project}${query}`))
      .body as unknown as Logs;
  const all = await list('');
  expect(all.data.map(({ type }) => type)).toEqual([
    'api_key.deleted',
    'project.updated',
    'api_key.created',
    'project.created',
  ]);
  expect(all.data[1]).toMatchObject({
    'project.updated': { id: project, changes_requested: { title: 'renamed' } },
  });
  expect(all.data[2]).toMatchObject({
    actor: { type: 'api_key' },
    project: { id: project },
    'api_key.created': { id, data: { scopes: ['chat'] } },
    steelyard: {
      action: 'key.created',
      subject: id,
      hash: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown,
    },
  });
  const first = await list('&limit=3');
  expect([first.data.length, first.has_more]).toEqual([3, true]);
  const rest = await list(`&limit=3&after=${first.last_id}`);
  expect([rest.data.map((one) => one.id), rest.has_more]).toEqual([[all.data[3]!.id], false]);
  expect((await list(`&before=${all.data[1]!.id}`)).data).toEqual([all.data[0]]);
  const types = '&event_types[]=api_key.created&event_types[]=project.updated';
  expect((await list(types)).data).toEqual([all.data[1], all.data[2]]);
  expect((await list(`&resource_ids[]=${id}`)).data).toEqual([all.data[0], all.data[2]]);
  expect((await list('&actor_ids[]=nobody')).data).toEqual([]);
  const at = all.data[0]!.effective_at;
  expect((await list(`&effective_at[gt]=${at}`)).data).toEqual([]);
  expect((await list(`&effective_at[lte]=${at}`)).data).toEqual(all.data);
  expect(JSON.stringify(all)).not.toContain(key);
  const plain = await newKey(project);
  expect((await call(plain.key, 'GET', '/v1/organization/audit_logs')).status).toBe(403);
  expect(await call(admin, 'GET', '/v1/organization/audit_logs?after=7')).toMatchObject({
    status: 400,
    error: { param: 'after' },
  });
});

it('tokens by project are in the metrics for an admin alone', async () => {
  const { key } = await newKey(await newProject());
  const scraped = async (authorization?: string) => {
    const headers = new Headers(authorization === undefined ? [] : [['authorization', authorization]]);
    const response = await server.app.request('/metrics', { headers });
    expect(response.status).toBe(200);
    return response.text();
  };
  expect(await scraped(`Bearer ${admin}`)).toContain('# TYPE steelyard_project_tokens_total counter');
  for (const other of [undefined, `Bearer ${key}`, 'Bearer sk-nothing']) {
    const text = await scraped(other);
    expect(text).toContain('steelyard_http_requests_total');
    expect(text).not.toContain('project_tokens');
  }
});
