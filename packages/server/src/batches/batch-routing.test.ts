/** Lines of batches at other providers: routed as over HTTP, held back by every label, and told where they were computed. */

import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createStubEmbeddingModel } from '@steelyard/engine/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fakeModel } from '../../test/fake-model.ts';
import { keyedServer, type KeyedServer } from '../../test/keyed-server.ts';
import { providerOf } from '../model-provider.ts';
import type { Routing } from '../upstreams/config.ts';

const CHAT = '/v1/chat/completions';
const messages = [{ role: 'user', content: 'marker words' }];
const usage = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 };

const asked: { path: string; body: Record<string, unknown> }[] = [];
/** Requests that the provider has no room for, before it has. */
let busy = 0;
const provider = createHttpServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    if (busy > 0) {
      busy--;
      response.writeHead(429, { 'retry-after': '0' }).end('{}');
      return;
    }
    asked.push({
      path: request.url!,
      body: JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>,
    });
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ object: 'from the cloud', usage }));
  });
});
let keyed: KeyedServer;
let held: string;

beforeAll(async () => {
  provider.listen(0, '127.0.0.1');
  await once(provider, 'listening');
  const url = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/v1`;
  const route = (
    model: string,
    policy: Routing['routes'][number]['policy'],
    more: Partial<Routing['routes'][number]> = {},
  ) => ({ model, policy, upstream: 'cloud', ...more });
  keyed = await keyedServer({
    models: providerOf([fakeModel(), fakeModel({ name: 'large' })]),
    embeddingModels: providerOf([createStubEmbeddingModel({ name: 'vectors' })]),
    routing: {
      upstreams: { cloud: { url } },
      routes: [
        route('far', 'cloud-only', { upstream_model: 'theirs' }),
        route('fake', 'prefer-local'),
        route('large', 'prefer-local', { spill: { prompt_tokens: 100 } }),
        route('home', 'local-only'),
      ],
      labels: { public: 'any' },
      projects: {},
    },
  });
  held = (await keyed.newKey()).key;
}, 120_000);
beforeEach(() => void asked.splice(0));
afterAll(async () => {
  await keyed?.close();
  provider.closeAllConnections();
  provider.close();
});

async function done(
  bodies: readonly object[],
  more: Parameters<KeyedServer['batch']>[3] = {},
  endpoint = CHAT,
) {
  const batch = await keyed.ended((await keyed.batch(held, endpoint, bodies, more)).body['id']);
  const output = batch.output_file_id ? await keyed.lines(batch.output_file_id) : [];
  const errors = batch.error_file_id ? await keyed.lines(batch.error_file_id) : [];
  return { batch, output, errors };
}

describe('lines', () => {
  it.each([
    [CHAT, { messages }],
    ['/v1/responses', { input: 'x' }],
    ['/v1/completions', { prompt: 'x' }],
    ['/v1/embeddings', { input: 'x' }],
  ])('of %s are computed elsewhere where a route says so', async (endpoint, body) => {
    const { batch, output } = await done([{ model: 'far', ...body }], {}, endpoint);
    expect(batch).toMatchObject({
      ...{ status: 'completed', model: 'far', request_counts: { completed: 1 } },
      usage: { input_tokens: 7, output_tokens: 5 },
    });
    expect(output[0]).toMatchObject({
      response: { status_code: 200, body: { object: 'from the cloud' } },
      steelyard: { computed_by: 'upstream:cloud' },
    });
    expect(asked).toMatchObject([{ path: endpoint, body: { model: 'theirs' } }]);
  });

  it('are noted before they leave, and say so when they were computed here', async () => {
    const { output } = await done([{ model: 'far', messages }]);
    const noted = [];
    for await (const entry of keyed.storage.audit.read({ subject: output[0]!.response!.request_id }))
      noted.push(entry);
    expect(noted).toMatchObject([
      { action: 'answer.upstream', details: { upstream: 'cloud', endpoint: CHAT } },
    ]);
    const here = await done([{ model: 'fake', messages }]);
    expect(here.output[0]!.steelyard).toEqual({ computed_by: 'local' });
    expect(asked).toHaveLength(1);
  });

  it('go by their size', async () => {
    const long = [{ role: 'user', content: 'x'.repeat(1_000) }];
    const { output } = await done([
      { model: 'large', messages },
      { model: 'large', messages: long },
    ]);
    expect(output.map(({ steelyard }) => steelyard!.computed_by)).toEqual(['local', 'upstream:cloud']);
  });

  it('wait where the provider has no room', async () => {
    busy = 1;
    const { batch } = await done([{ model: 'far', messages }]);
    expect(batch.request_counts).toEqual({ total: 1, completed: 1, failed: 0 });
  });

  it.each(['home', 'nobody'])('may not name a model that no route takes elsewhere: %s', async (model) => {
    const { batch } = await done([{ model, messages }]);
    expect(batch).toMatchObject({ status: 'failed', errors: { data: [{ code: 'model_not_found' }] } });
  });
});

describe('data that must stay', () => {
  it.each([
    ['a line', { metadata: { data_label: 'restricted' } }, {}],
    ['the batch', {}, { metadata: { data_label: 'restricted' } }],
    ['the request for the batch', {}, { headers: { 'x-steelyard-data-label': 'secret' } }],
    [
      'one of several',
      { metadata: { data_label: 'public' } },
      { headers: { 'x-steelyard-data-label': 'restricted' } },
    ],
  ])('does, by the label of %s', async (_, body, more) => {
    const { batch, errors } = await done([{ model: 'far', messages, ...body }], more);
    expect(batch).toMatchObject({ status: 'completed', request_counts: { failed: 1 } });
    expect(errors[0]!.response).toMatchObject({ status_code: 403, body: { error: { code: 'must_stay' } } });
    expect(asked).toEqual([]);
  });

  it('may leave under a label that says so', async () => {
    const { output } = await done([{ model: 'far', messages }], { metadata: { data_label: 'public' } });
    expect(output[0]!.steelyard).toEqual({ computed_by: 'upstream:cloud' });
  });
});
