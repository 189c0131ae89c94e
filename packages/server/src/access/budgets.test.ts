/** Budgets of a month, which hold from the answer that spends them, and reports of what was used. */

import { createStubEmbeddingModel } from '@steelyard/engine/testing';
import type { ModelTotal } from './usage-meter.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakeModel } from '../../test/fake-model.ts';
import { keyedServer, type KeyedServer } from '../../test/keyed-server.ts';
import { providerOf } from '../model-provider.ts';
import { moderationCategories } from '../schemas/moderations.ts';
import { Spending, type Spender } from './spending.ts';

const CHAT = '/v1/chat/completions';
/** Two tokens in, three out. */
const chat = { model: 'fake', messages: [{ role: 'user', content: 'Say hello' }] };
const verdict = JSON.stringify(Object.fromEntries(moderationCategories.map((one) => [one, 0])));

let keyed: KeyedServer;

beforeAll(async () => {
  keyed = await keyedServer({
    models: providerOf([fakeModel(), fakeModel({ name: 'judge', pieces: [verdict] })]),
    embeddingModels: providerOf([createStubEmbeddingModel({ name: 'vectors' })]),
    moderation: { model: 'judge' },
    prices: { fake: { input: 1_000_000, output: 0 } },
  });
}, 120_000);
afterAll(() => keyed?.close());

describe('a budget', () => {
  it.each([
    [{ tokens_per_month: 10 }, 'has used 10 of its 10 tokens'],
    [{ dollars_per_month: 4 }, 'has spent $4.00 of its $4.00'],
  ])('of a key holds as soon as it is spent: %o', async (limits, told) => {
    const { key } = await keyed.newKey({ limits });
    const say = () => keyed.call(key, 'POST', CHAT, chat);
    expect([(await say()).status, (await say()).status]).toEqual([200, 200]);
    const refused = await say();
    expect(refused).toMatchObject({ status: 429, body: { error: { code: 'insufficient_quota' } } });
    expect(JSON.stringify(refused.body)).toContain(told);
  });

  it('of a project holds at once for all its keys', async () => {
    const project = await keyed.newProject({ limits: { tokens_per_month: 5 } });
    const keys = [await keyed.newKey({}, project), await keyed.newKey({}, project)];
    // Both are remembered, with nothing spent.
    for (const { key } of keys) expect((await keyed.call(key, 'GET', '/v1/models')).status).toBe(200);
    expect((await keyed.call(keys[0]!.key, 'POST', CHAT, chat)).status).toBe(200);
    for (const { key } of keys) expect((await keyed.call(key, 'POST', CHAT, chat)).status).toBe(429);
  });

  it('knows what others have used, once, and adds what is counted here', async () => {
    let rows: ModelTotal[] = [{ model: 'm', inputTokens: 60, outputTokens: 0 }];
    const queries: unknown[] = [];
    const spending = new Spending(
      {
        totals(query, take) {
          queries.push(query);
          take(rows);
          return Promise.resolve();
        },
      },
      {},
      () => Date.UTC(2026, 4, 31, 23),
    );
    const spender: Spender = { kind: 'key', id: 'k', name: 'k', limits: { tokensPerMonth: 100 } };
    const caller = {
      ...{ project: 'p', keyId: 'k', label: 'k' },
      scopes: { admin: false, endpoints: ['all'] },
    };
    const used = { model: 'm', inputTokens: 10, cachedTokens: 0, outputTokens: 29 };
    await spending.learn(spender);
    spending.charge(caller, used);
    expect(spending.overspent(spender)).toBe(undefined);
    spending.charge(caller, { ...used, outputTokens: 0 });
    expect(spending.overspent(spender)).toContain('has used 109 of its 100 tokens');
    rows = [{ model: 'm', inputTokens: 99, outputTokens: 0 }];
    await spending.learn(spender);
    expect(spending.overspent(spender)).toBe(undefined);
    expect(queries).toEqual(Array(2).fill({ key: 'k', from: '2026-05-01' }));
  });
});

describe('reports of usage', () => {
  it('tell kinds apart, and have all that was answered before they are read', async () => {
    const project = await keyed.newProject();
    const { id, key } = await keyed.newKey({}, project);
    const since = Math.floor(Date.now() / 1000) - 60;
    const usage = async (kind: string, more = '') => {
      const query = `?start_time=${since}&project_id=${project}${more}`;
      const { status, body } = await keyed.call(keyed.admin, 'GET', `/v1/organization/usage/${kind}${query}`);
      expect(status).toBe(200);
      return (body['data'] as { results: object[] }[]).flatMap(({ results }) => results);
    };
    const asks: (readonly [string, object])[] = [
      [CHAT, chat],
      ['/v1/embeddings', { model: 'vectors', input: 'two words' }],
      ['/v1/rerank', { model: 'vectors', query: 'one', documents: ['two'] }],
      ['/v1/moderations', { input: 'x' }],
    ];
    for (const [path, body] of asks)
      expect((await keyed.call(key, 'POST', path, body)).status, path).toBe(200);
    const nobody = { project_id: null, api_key_id: null, model: null };
    expect(await usage('completions')).toEqual([
      {
        object: 'organization.usage.completions.result',
        ...{ input_tokens: 2, output_tokens: 3, input_cached_tokens: 2, num_model_requests: 1, ...nobody },
      },
    ]);
    expect(await usage('embeddings', '&group_by[]=api_key_id')).toEqual([
      {
        object: 'organization.usage.embeddings.result',
        ...{ input_tokens: expect.any(Number) as number, num_model_requests: 2, ...nobody, api_key_id: id },
      },
    ]);
    expect(await usage('moderations', '&group_by[]=model')).toEqual([
      {
        object: 'organization.usage.moderations.result',
        ...{ input_tokens: expect.any(Number) as number, num_model_requests: 1, ...nobody, model: 'judge' },
        steelyard: { output_tokens: 1 },
      },
    ]);
    expect(await usage('embeddings', '&models[]=fake')).toEqual([]);
  });
});
