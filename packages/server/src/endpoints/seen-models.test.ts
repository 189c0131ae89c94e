/** Which models a key sees, here and at other providers. */

import { createStubModel } from '@steelyard/engine/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { keyedServer, type KeyedServer } from '../../test/keyed-server.ts';
import { providerOf } from '../model-provider.ts';

let keyed: KeyedServer;

beforeAll(async () => {
  keyed = await keyedServer({
    models: providerOf([createStubModel({ name: 'stub' }), createStubModel({ name: 'other' })]),
    routing: {
      upstreams: { cloud: { url: 'https://api.example.com/v1' } },
      routes: ['far', 'farther'].map((model) => ({ model, upstream: 'cloud', policy: 'cloud-only' })),
      labels: {},
      projects: {},
    },
  });
}, 120_000);
afterAll(() => keyed?.close());

async function seen(key: string) {
  const { body } = await keyed.call(key, 'GET', '/v1/models');
  const { body: told } = await keyed.call(
    key,
    'POST',
    '/mcp',
    { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'list_models', arguments: {} } },
    { accept: 'application/json, text/event-stream' },
  );
  const { content } = told['result'] as { content: { text: string }[] };
  const overMcp = JSON.parse(content[0]!.text) as typeof body;
  return [body, overMcp].map(({ data }) => (data as { id: string }[]).map(({ id }) => id));
}

it('are those of its restriction, wherever they are computed', async () => {
  const all = ['stub', 'other', 'far', 'farther'];
  expect(await seen(keyed.admin)).toEqual([all, all]);
  const { key } = await keyed.newKey({ models: ['stub', 'Far'] });
  expect(await seen(key)).toEqual([
    ['stub', 'far'],
    ['stub', 'far'],
  ]);
  const one = async (model: string) => (await keyed.call(key, 'GET', `/v1/models/${model}`)).status;
  expect([await one('far'), await one('farther'), await one('other')]).toEqual([200, 404, 404]);
});
