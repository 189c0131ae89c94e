/** What a key may not do over HTTP, its batches may not do either: models, scopes, limits, and an end of the key. */

import { setTimeout as sleep } from 'node:timers/promises';
import { createStubEmbeddingModel } from '@steelyard/engine/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakeModel } from '../../test/fake-model.ts';
import { keyedServer, type KeyedServer } from '../../test/keyed-server.ts';
import { providerOf } from '../model-provider.ts';

const CHAT = '/v1/chat/completions';
const messages = [{ role: 'user', content: 'Say hello' }];
/** Two tokens in, three out. */
const chat = { model: 'fake', messages };
const many = (n: number, body: object = chat) => Array.from({ length: n }, () => body);

/** While held, no answer begins. */
const gate = { held: false };
const pace = async () => {
  while (gate.held) await sleep(5);
};
const model = fakeModel({ pace });
const other = fakeModel({ name: 'other' });
let keyed: KeyedServer;

beforeAll(async () => {
  keyed = await keyedServer({
    models: providerOf([model, other]),
    embeddingModels: providerOf([createStubEmbeddingModel({ name: 'vectors' })]),
    moderation: { model: 'other' },
    prices: { fake: { input: 1_000_000, output: 0 } },
  });
}, 120_000);
afterAll(() => keyed?.close());

describe("a key's models", () => {
  it.each([
    [CHAT, { model: 'other', messages }],
    ['/v1/responses', { model: 'other', input: 'x' }],
    ['/v1/embeddings', { model: 'vectors', input: 'x' }],
    ['/v1/rerank', { model: 'vectors', query: 'x', documents: ['y'] }],
    ['/v1/moderations', { input: 'x' }],
  ])('hold for lines that ask %s', async (endpoint, body) => {
    const { key } = await keyed.newKey({ models: ['fake'] });
    expect((await keyed.call(key, 'POST', endpoint, body)).status).toBe(403);
    const batch = await keyed.ended((await keyed.batch(key, endpoint, [body])).body['id']);
    expect(batch).toMatchObject({
      status: 'failed',
      errors: { data: [{ code: 'model_not_found', line: 1, param: 'body.model' }] },
    });
    expect(batch.errors!.data[0]!.message).toContain("The key 'k' does not have access to model");
    expect(other.asked).toEqual([]);
  });

  it('let lines through that ask for one of them, in any capitals', async () => {
    const { key } = await keyed.newKey({ models: ['Fake'] });
    const batch = await keyed.ended((await keyed.batch(key, CHAT, [chat])).body['id']);
    expect(batch).toMatchObject({ status: 'completed', request_counts: { completed: 1, failed: 0 } });
  });
});

describe("a key's scopes", () => {
  it('are asked for when a batch is made', async () => {
    const { key } = await keyed.newKey({ scopes: ['batches', 'files'] });
    const refused = await keyed.batch(key, CHAT, [chat]);
    expect(refused).toMatchObject({
      status: 403,
      body: { error: { code: 'insufficient_permissions' } },
    });
    expect(JSON.stringify(refused.body)).toContain("expected 'chat'");
    const may = await keyed.newKey({ scopes: ['batches', 'files', 'embeddings'] });
    const vectors = await keyed.batch(may.key, '/v1/embeddings', [{ model: 'vectors', input: 'x' }]);
    expect(await keyed.ended(vectors.body['id'])).toMatchObject({ request_counts: { completed: 1 } });
  });

  it('are asked for again when its lines are answered', async () => {
    const { id } = await keyed.newKey({ scopes: ['batches', 'files'] });
    const { body } = await keyed.batch(keyed.admin, CHAT, [chat]);
    // As a server made it that did not ask.
    const batch = await keyed.storage.project('default').batches.create(
      {
        caller: { project: 'default', keyId: id, label: 'k', scopes: { admin: false, endpoints: ['all'] } },
        ...{ endpoint: CHAT, inputFileId: String(body['input_file_id']) },
        ...{ completionWindow: '24h', windowSeconds: 60 },
      },
      1_000,
    );
    await keyed.ended((await keyed.batch(keyed.admin, CHAT, [chat])).body['id']);
    const done = await keyed.ended(batch.id);
    expect(done).toMatchObject({ status: 'completed', request_counts: { completed: 0, failed: 1 } });
    expect((await keyed.lines(done.error_file_id))[0]).toMatchObject({
      response: null,
      error: { code: 'insufficient_permissions' },
    });
  });
});

describe('the end of a key', () => {
  it('is the end of its batches: what was begun is answered, the rest is told why not', async () => {
    const { id, key } = await keyed.newKey();
    const before = model.asked.length;
    gate.held = true;
    const { body } = await keyed.batch(key, CHAT, many(40));
    await expect.poll(() => model.asked.length).toBe(before + 8);
    await keyed.revoke(id);
    gate.held = false;
    const done = await keyed.ended(body['id']);
    expect(done).toMatchObject({
      status: 'completed',
      request_counts: { total: 40, completed: 8, failed: 32 },
    });
    const errors = await keyed.lines(done.error_file_id);
    expect(errors).toHaveLength(32);
    for (const { response, error } of errors)
      expect([response, error]).toMatchObject([null, { code: 'invalid_api_key' }]);
    expect(errors[0]!.error!.message).toContain('This API key was revoked.');
    expect(model.asked.length).toBe(before + 8);
  });
});

describe('limits', () => {
  it.each([
    [{ tokens_per_month: 40 }, 'has used 40 of its 40 tokens of this month'],
    [{ dollars_per_month: 16 }, 'has spent $16.00 of its $16.00 of this month'],
  ])('of a month hold for lines: %o', async (limits, told) => {
    const { key } = await keyed.newKey({ limits });
    const done = await keyed.ended((await keyed.batch(key, CHAT, many(40))).body['id']);
    expect(done.status).toBe('completed');
    const { completed, failed } = done.request_counts;
    // Lines that were under way when it was spent are answered.
    expect(completed).toBeGreaterThanOrEqual(8);
    expect(completed).toBeLessThanOrEqual(15);
    expect(failed).toBe(40 - completed);
    const errors = await keyed.lines(done.error_file_id);
    expect(errors).toHaveLength(failed);
    for (const { response, error } of errors)
      expect([response, error]).toMatchObject([null, { code: 'insufficient_quota' }]);
    if (completed === 8) expect(errors[0]!.error!.message).toContain(told);
    expect(await keyed.call(key, 'POST', CHAT, chat)).toMatchObject({ status: 429 });
  });

  it('of a project hold for the batches of its keys; an admin of it may still raise them', async () => {
    const change = (limits: object) =>
      keyed.call(keyed.admin, 'POST', '/v1/organization/projects/default', { limits });
    expect((await change({ tokens_per_month: 1 })).status).toBe(200);
    const { key } = await keyed.newKey();
    const batch = await keyed.batch(key, CHAT, [chat]);
    // Nothing of it would be answered.
    expect(batch).toMatchObject({ status: 429, body: { error: { code: 'insufficient_quota' } } });
    expect((await change({})).status).toBe(200);
    expect((await keyed.batch(key, CHAT, [chat])).status).toBe(200);
  });

  it('of a minute, while they are waited for, keep no other batches waiting', async () => {
    // Enough to make the batches, two requests each.
    const slow = await keyed.newKey({ limits: { requests_per_minute: 24 } });
    const ids: string[] = [];
    for (let i = 0; i < 6; i++) ids.push(String((await keyed.batch(slow.key, CHAT, many(20))).body['id']));
    const { key } = await keyed.newKey();
    const done = await keyed.ended((await keyed.batch(key, CHAT, [chat])).body['id']);
    expect(done.status).toBe('completed');
    const { batches } = keyed.storage.project('default');
    for (const id of ids) expect((await batches.get(id)).status).toBe('in_progress');
    for (const id of ids) await keyed.call(keyed.admin, 'POST', `/v1/batches/${id}/cancel`);
    for (const id of ids) await keyed.ended(id);
  });

  it('of a minute are waited for, and leave half to who asks meanwhile', async () => {
    const { key } = await keyed.newKey({ limits: { requests_per_minute: 240 } });
    const { body } = await keyed.batch(key, CHAT, many(130));
    const asks = async () => (await keyed.call(key, 'POST', CHAT, chat)).status;
    const { batches } = keyed.storage.project('default');
    await expect.poll(async () => (await batches.get(String(body['id']))).completed).toBeGreaterThan(110);
    expect(await Promise.all(Array.from({ length: 60 }, asks))).toEqual(Array(60).fill(200));
    expect(await keyed.call(key, 'POST', `/v1/batches/${String(body['id'])}/cancel`)).toMatchObject({
      body: { status: 'cancelling' },
    });
    const done = await keyed.ended(body['id']);
    expect(done.request_counts.failed).toBeGreaterThan(0);
  }, 60_000);
});
