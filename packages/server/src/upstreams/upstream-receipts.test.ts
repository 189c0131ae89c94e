/** Receipts of answers that another provider computed, and what they cost: told, guessed, and held to budgets. */

import { createHash, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { fakeModel } from '../../test/fake-model.ts';
import { keptServer, type KeptServer } from '../../test/kept-server.ts';
import type { AppOptions } from '../app.ts';
import { readReceipts } from '../receipts/read-receipts.ts';
import { signatureHolds, signReceipt, type Signer } from '../receipts/sign.ts';
import { upstreamReceiptSchema, type UpstreamReceipt } from '../receipts/upstream-receipt.ts';

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

const usage = {
  prompt_tokens: 11,
  completion_tokens: 7,
  total_tokens: 18,
  prompt_tokens_details: { cached_tokens: 4 },
};
const whole = {
  id: 'c',
  object: 'chat.completion',
  model: 'far-1',
  system_fingerprint: 'fp',
  choices: [],
  usage,
};
const chunk = (more: object) => ({
  id: 'c',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'far-1',
  ...more,
});
const sse = (...events: readonly unknown[]) =>
  events.map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`).join('');
const word = chunk({ choices: [{ index: 0, delta: { content: 'Hi' } }] });

async function world(answer: string | ((response: ServerResponse) => void), more: Partial<AppOptions> = {}) {
  const sent: string[] = [];
  const upstream = createHttpServer((request, response) => {
    let body = '';
    request.on('data', (data: Buffer) => (body += data.toString('utf8')));
    request.on('end', () => {
      sent.push(body);
      const streams = typeof answer !== 'string' || answer.startsWith('data:') || answer.startsWith('event:');
      response.writeHead(200, { 'content-type': streams ? 'text/event-stream' : 'application/json' });
      if (typeof answer === 'string') response.end(answer);
      else answer(response);
    });
  });
  upstream.listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  open.push(
    () => upstream.closeAllConnections(),
    () => upstream.close(),
  );
  const { port } = upstream.address() as AddressInfo;
  const kept: KeptServer = await keptServer([fakeModel()], {
    routing: {
      upstreams: { cloud: { url: `http://127.0.0.1:${port}/v1` } },
      routes: [{ model: 'far', upstream: 'cloud', policy: 'cloud-only' }],
      labels: {},
      projects: {},
    },
    env: {},
    keys: true,
    apiKey: 'admin',
    ...more,
  });
  open.push(() => kept.close());
  const call = (path: string, body?: object, key = 'admin') =>
    Promise.resolve(
      kept.app.request(path, {
        method: body ? 'POST' : 'GET',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        ...(body ? { body: JSON.stringify(body) } : {}),
      }),
    );
  const ask = (body: object = {}, path = '/v1/chat/completions') =>
    call(path, { model: 'far', messages: [{ role: 'user', content: 'Hello there.' }], ...body });
  /** Tokens in, of those from a cache, and out, of all answers; counters are written about once a second. */
  async function used(): Promise<number[]> {
    const since = Math.floor(Date.now() / 1000) - 86_400;
    for (;;) {
      const response = await call(`/v1/organization/usage/completions?start_time=${since}`);
      const { data } = (await response.json()) as { data: { results: Record<string, number>[] }[] };
      const [result] = data.at(-1)?.results ?? [];
      if (result) return [result['input_tokens']!, result['input_cached_tokens']!, result['output_tokens']!];
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return { ask, call, used, sent, host: `127.0.0.1:${port}` };
}

const sha256 = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
const wished = { steelyard: { receipt: true } };

describe('a receipt of an answer from elsewhere', () => {
  it('says where, of what, at what cost, and what is not known', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const sign: Signer = (receipt) => signReceipt(receipt, privateKey);
    const text = JSON.stringify(whole);
    const { ask, sent, host, call } = await world(text, { receipts: { sign } });
    const answer = (await (await ask(wished)).json()) as { steelyard: { receipts: unknown[] } };
    const { steelyard, ...rest } = answer;
    expect(rest).toEqual(whole);
    const receipt = upstreamReceiptSchema.parse(steelyard.receipts[0]);
    expect(receipt).toMatchObject({
      endpoint: '/v1/chat/completions',
      computed_by: 'upstream:cloud',
      upstream: { name: 'cloud', host, model: 'far', answered_model: 'far-1', system_fingerprint: 'fp' },
      request: { sha256: sha256(sent[0]!) },
      answer: { bytes: text.length, sha256: sha256(text) },
      usage: { input_tokens: 11, cached_tokens: 4, output_tokens: 7, estimated: false },
    });
    expect(receipt.unknown).toEqual(expect.arrayContaining(['weights', 'seed']));
    expect(signatureHolds(receipt)).toBe(true);
    expect(signatureHolds({ ...receipt, endpoint: '/v1/responses' })).toBe(false);
    const found: unknown = await (await call(`/v1/receipts/${receipt.id}`)).json();
    expect(found).toEqual(receipt);
    expect(() => readReceipts(answer, 'answer.json')).toThrow(/computed by upstream:cloud/);
  });

  it('comes in a stream before its mark', async () => {
    const { ask } = await world(sse(word, chunk({ choices: [], usage }), '[DONE]'));
    const text = await (await ask({ ...wished, stream: true })).text();
    expect(text.startsWith(sse(word))).toBe(true);
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    const frames = text.trimEnd().split('\n\n');
    const told = JSON.parse(frames.at(-2)!.slice('data: '.length)) as {
      choices: [];
      steelyard: { receipts: unknown[] };
    };
    expect(told).toMatchObject({ object: 'chat.completion.chunk', model: 'far-1', choices: [] });
    expect(upstreamReceiptSchema.parse(told.steelyard.receipts[0]).usage.output_tokens).toBe(7);
  });

  it('comes in the last event of a response', async () => {
    const response = { id: 'r', model: 'far-1', usage: { input_tokens: 5, output_tokens: 2 } };
    const event = { type: 'response.completed', response, sequence_number: 3 };
    const { ask, used } = await world(`event: response.completed\ndata: ${JSON.stringify(event)}\n\n`);
    const body = { ...wished, stream: true, input: 'Hi', messages: undefined };
    const text = await (await ask(body, '/v1/responses')).text();
    const [, data] = /^event: response\.completed\ndata: (.*)\n\n$/.exec(text)!;
    const told = JSON.parse(data!) as { response: { steelyard: { receipts: unknown[] } } };
    expect(upstreamReceiptSchema.parse(told.response.steelyard.receipts[0]).usage.input_tokens).toBe(5);
    expect(await used()).toEqual([5, 0, 2]);
  });

  it('is not there where nobody wishes it, and bytes are as they came', async () => {
    const odd = '{ "object":  "chat.completion", "usage": null }';
    const { ask } = await world(odd);
    expect(await (await ask()).text()).toBe(odd);
    const stream =
      sse(word).replaceAll('\n\n', '\r\n\r\n') + ': a comment\n\ndata: no json\n\ndata: [DONE]\n\n';
    const streaming = await world(stream);
    expect(await (await streaming.ask({ stream: true })).text()).toBe(stream);
  });

  it('goes where the answer is no JSON, with what is known', async () => {
    const { ask } = await world('not json');
    expect(await (await ask(wished)).text()).toBe('not json');
  });
});

describe('what an answer from elsewhere costs', () => {
  it('is charged as it is told, whole and streaming', async () => {
    const first = await world(JSON.stringify(whole));
    await (await first.ask()).text();
    expect(await first.used()).toEqual([11, 4, 7]);
    const second = await world(sse(word, chunk({ choices: [], usage }), '[DONE]'));
    await (await second.ask({ stream: true })).text();
    expect(await second.used()).toEqual([11, 4, 7]);
  });

  it('is guessed where nothing is told, and where the reader leaves', async () => {
    const { ask } = await world(sse(word, word, '[DONE]'));
    const text = await (await ask({ ...wished, stream: true })).text();
    const told = JSON.parse(text.trimEnd().split('\n\n').at(-2)!.slice('data: '.length)) as {
      steelyard: { receipts: UpstreamReceipt[] };
    };
    expect(told.steelyard.receipts[0]!.usage).toMatchObject({ output_tokens: 2, estimated: true });
    expect(told.steelyard.receipts[0]!.usage.input_tokens).toBeGreaterThan(5);
  });

  it('counts towards budgets, of readers that leave too', async () => {
    const server = await world(
      (response) => {
        response.write(sse(word, word, word));
      },
      { prices: { far: { input: 0, output: 1_000_000 } } },
    );
    const keys = '/v1/organization/projects/default/api_keys';
    const body = { name: 'k', limits: { dollars_per_month: 2 } };
    const { value } = (await (await server.call(keys, body)).json()) as { value: string };
    const chat = { model: 'far', messages: [{ role: 'user', content: 'Hi' }], stream: true };
    const answer = await server.call('/v1/chat/completions', chat, value);
    const reader = answer.body!.getReader();
    await reader.read();
    await reader.cancel();
    // A change forgets what is remembered of keys.
    await server.call(keys, { name: 'other' });
    const refused = await server.call('/v1/chat/completions', chat, value);
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({ error: { code: 'insufficient_quota' } });
  });
});
