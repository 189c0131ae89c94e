import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createStubEmbeddingModel, createStubModel } from '@steelyard/engine/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keptServer, type KeptServer } from '../../test/kept-server.ts';
import { events, namedEvents } from '../../test/requests.ts';
import { compareReceipts, firstDifference } from './compare.ts';
import { providerOf } from '../model-provider.ts';
import { embeddingReceiptSchema, type EmbeddingReceipt } from './embedding-receipt.ts';
import { readAnyReceipts, readReceipts } from './read-receipts.ts';
import { idsDigest, sha256, type Receipt } from './receipt.ts';
import { replayReceipt } from './replay.ts';
import { fileSigner, signatureHolds } from './sign.ts';

interface Answer {
  readonly id: string;
  readonly choices: readonly { readonly finish_reason: string | null }[];
  readonly steelyard?: { readonly receipts: readonly Receipt[] };
}

const folder = mkdtempSync(join(tmpdir(), 'steelyard-receipts-'));
const keyFile = join(folder, 'sub', 'receipt-key.pem');
const origin = { weights: 'a'.repeat(64), template: 'b'.repeat(64), level: 'avx2' };
const stub = { ...createStubModel(), origin: () => Promise.resolve(origin) };
let server: KeptServer;
beforeAll(async () => {
  const vectors = createStubEmbeddingModel({ name: 'vectors', dimensions: 8 });
  server = await keptServer([stub], {
    receipts: { sign: fileSigner(keyFile) },
    embeddingModels: providerOf([{ ...vectors, origin: () => Promise.resolve(origin) }]),
  });
}, 60_000);
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const messages = [{ role: 'user', content: 'one two three' }];
const receipt = { steelyard: { receipt: true } };
const withContent = { steelyard: { receipt: 'content' } };

async function asked(path: string, body: object): Promise<Answer> {
  const response = await server.post(path, { model: 'stub', ...body });
  expect(response.status).toBe(200);
  return (await response.json()) as Answer;
}

async function receiptOf(path: string, body: object): Promise<Receipt> {
  const { steelyard } = await asked(path, body);
  expect(steelyard?.receipts).toHaveLength(1);
  return steelyard!.receipts[0]!;
}

describe('receipts', () => {
  it('come only where they are asked for, by field or header', async () => {
    expect(await asked('/v1/chat/completions', { messages })).not.toHaveProperty('steelyard');
    const byHeader = (value: string) =>
      server.app.request('/v1/chat/completions', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-steelyard-receipt': value },
        body: JSON.stringify({ model: 'stub', messages }),
      });
    expect(await (await byHeader('1')).json()).toHaveProperty('steelyard.receipts.0.id');
    expect(await (await byHeader('0')).json()).not.toHaveProperty('steelyard');
    expect((await byHeader('maybe')).status).toBe(400);
  });

  it('come in other formats too, whole and streaming, and can be replayed', async () => {
    const nothing = await server.post('/api/chat', { model: 'stub', messages, stream: false });
    expect(await nothing.json()).not.toHaveProperty('steelyard');
    for (const [path, body] of [
      ['/v1/messages', { messages, max_tokens: 20 }],
      ['/api/chat', { messages, stream: false, options: { top_k: 5 } }],
      ['/api/generate', { prompt: 'one two three', stream: false }],
    ] as const) {
      const given = await receiptOf(path, { ...body, ...withContent });
      expect(given).toMatchObject({ endpoint: path, computed_by: 'local', output: { finish: 'stop' } });
      expect(signatureHolds(given)).toBe(true);
      // From the request, which need not say a seed.
      const request = { model: 'stub', ...body };
      const again = await replayReceipt(given, { model: stub, version: '0.1.0', request });
      expect(compareReceipts(given, again)).toEqual([]);
      const streamed = await server.post(path, { ...request, stream: true, ...receipt });
      const text = await streamed.text();
      expect(text.match(/"steelyard":\{"receipts":\[\{/g)).toHaveLength(1);
    }
  });

  it('are of vectors too', async () => {
    const asked = { model: 'vectors', input: ['one', 'two three'], encoding_format: 'base64' };
    expect(await (await server.post('/v1/embeddings', asked)).json()).not.toHaveProperty('steelyard');
    const answer = async (path: string, body: object) =>
      (await (await server.post(path, { ...body, ...receipt })).json()) as {
        data: { embedding: string }[];
        steelyard: { receipts: [EmbeddingReceipt] };
      };
    const { data, steelyard } = await answer('/v1/embeddings', asked);
    const [given] = steelyard.receipts;
    const bytes = Buffer.concat(data.map(({ embedding }) => Buffer.from(embedding, 'base64')));
    expect(embeddingReceiptSchema.strict().parse(given)).toMatchObject({
      endpoint: '/v1/embeddings',
      model: { name: 'vectors', weights: `sha256:${origin.weights}` },
      engine: { version: '0.1.0', backend: 'stub', level: 'avx2' },
      input: { texts: 2, sha256: sha256(JSON.stringify(asked.input)) },
      output: { vectors: 2, dimensions: 8, sha256: sha256(bytes) },
    });
    expect(signatureHolds(given)).toBe(true);
    expect(await (await server.get(`/v1/receipts/${given.id}`)).json()).toEqual(given);
    expect(() => readReceipts({ steelyard }, 'x.json')).toThrow(/receipt of vectors/);
    expect(readAnyReceipts({ steelyard }, 'x.json').map(signatureHolds)).toEqual([true]);
    expect(() => readAnyReceipts({ ...given, version: 2 }, 'x.json')).toThrow(/x\.json: version/);
    for (const [path, body] of [
      ['/api/embed', { model: 'vectors', input: asked.input }],
      ['/api/embeddings', { model: 'vectors', prompt: 'one' }],
    ] as const)
      expect((await answer(path, body)).steelyard.receipts[0].endpoint).toBe(path);
  });

  it('say from what and with what, in digests', async () => {
    const given = await receiptOf('/v1/chat/completions', {
      messages,
      ...receipt,
      seed: 7,
      temperature: 0.5,
    });
    const prompt = stub.tokenize('user: one two three');
    expect(given).toMatchObject({
      object: 'steelyard.receipt',
      version: 1,
      endpoint: '/v1/chat/completions',
      choice: 0,
      computed_by: 'local',
      model: {
        name: 'stub',
        weights: `sha256:${origin.weights}`,
        adapter: null,
        template: `sha256:${origin.template}`,
      },
      engine: { version: '0.1.0', backend: 'stub', level: 'avx2' },
      prompt: { tokens: prompt.length, sha256: idsDigest(prompt) },
      sampling: { seed: 7, temperature: 0.5 },
      constraint: null,
      output: { finish: 'stop' },
    });
    expect(given).not.toHaveProperty('content');
  });

  it('record a seed where none was given, and what held the answer', async () => {
    const format = { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'boolean' } } };
    const given = await receiptOf('/v1/chat/completions', { messages, ...receipt, response_format: format });
    expect(Number.isSafeInteger(given.sampling.seed)).toBe(true);
    expect(given.constraint).toMatchObject({ type: 'json_schema' });
  });

  it('come with each choice, in a stream with the event that ends it, and in a response with its end', async () => {
    const whole = await asked('/v1/chat/completions', { messages, n: 2, seed: 3, ...receipt });
    expect(whole.steelyard!.receipts.map(({ choice, sampling }) => [choice, sampling.seed])).toEqual([
      [0, 3],
      [1, 4],
    ]);
    for (const [path, body] of [
      ['/v1/chat/completions', { messages }],
      ['/v1/completions', { prompt: 'one two' }],
    ] as const) {
      const stream = await server.post(path, { model: 'stub', stream: true, ...body, ...receipt });
      const withReceipt = (await events<Answer>(stream)).filter(({ steelyard }) => steelyard);
      expect(withReceipt.map(({ choices }) => choices[0]?.finish_reason)).toEqual(['stop']);
    }
    const body = { model: 'stub', input: 'Hi', stream: true, ...receipt };
    const told = await namedEvents<{ type: string; response?: Answer }>(
      await server.post('/v1/responses', body),
    );
    expect(told.at(-1)).toMatchObject({ type: 'response.completed' });
    expect(told.at(-1)!.response!.steelyard!.receipts[0]!.endpoint).toBe('/v1/responses');
  });

  it('are noted in the audit log without content, and found by their id', async () => {
    const given = await receiptOf('/v1/completions', { prompt: 'very secret', ...withContent });
    expect(given.content!.prompt_tokens).toEqual(stub.tokenize('very secret'));
    const found = (await (await server.get(`/v1/receipts/${given.id}`)).json()) as Receipt;
    const { content: _, ...noted } = given;
    expect(found).toEqual(noted);
    expect((await server.get('/v1/receipts/rcpt_none')).status).toBe(404);
    expect(await server.storage().audit.verify()).toMatchObject({ intact: true });
  });
});

describe('signatures', () => {
  it('hold for what was signed and nothing else, with or without content', async () => {
    const given = await receiptOf('/v1/completions', { prompt: 'sign me', ...withContent });
    expect(signatureHolds(given)).toBe(true);
    const { content: _, ...bare } = given;
    expect(signatureHolds(bare)).toBe(true);
    expect(signatureHolds({ ...given, sampling: { ...given.sampling, seed: 1 } })).toBe(false);
    const signature = { ...given.signature!, public_key: 'AAAA' };
    expect(signatureHolds({ ...given, signature })).toBe(false);
    const { signature: __, ...unsigned } = given;
    expect(signatureHolds(unsigned)).toBeUndefined();
  });

  it('are by one key, which only its owner can read; another file there is refused', async () => {
    const keys = await Promise.all(
      [1, 2].map(() => receiptOf('/v1/completions', { prompt: 'x', ...receipt })),
    );
    expect(new Set(keys.map(({ signature }) => signature!.public_key)).size).toBe(1);
    expect(statSync(keyFile).mode & 0o77).toBe(0);
    expect(readFileSync(keyFile, 'utf8')).toMatch(/PRIVATE KEY/);
    const again = fileSigner(keyFile)(keys[0]!);
    expect(again.signature).toEqual(keys[0]!.signature);
    const wrong = join(folder, 'wrong.pem');
    writeFileSync(wrong, 'not a key');
    expect(() => fileSigner(wrong)(keys[0]!)).toThrow(/wrong\.pem: holds no Ed25519/);
  });
});

describe('replay', () => {
  const here = { model: stub, version: '0.1.0' };

  it('computes the same from the tokens of a receipt', async () => {
    const given = await receiptOf('/v1/completions', { prompt: 'one two', seed: 5, ...withContent });
    const again = await replayReceipt(given, here);
    expect(compareReceipts(given, again)).toEqual([]);
    expect(firstDifference(given, again)).toBeUndefined();
  });

  it('computes the same from the request, whichever choice and endpoint', async () => {
    const ask = { messages, n: 2, temperature: 1, max_tokens: 2 };
    const { steelyard } = await asked('/v1/chat/completions', { ...ask, ...receipt });
    for (const given of steelyard!.receipts) {
      expect(compareReceipts(given, await replayReceipt(given, { ...here, request: ask }))).toEqual([]);
    }
    const given = await receiptOf('/v1/responses', { input: 'Hi there', ...receipt });
    expect(
      compareReceipts(given, await replayReceipt(given, { ...here, request: { input: 'Hi there' } })),
    ).toEqual([]);
  });

  it('says what differs where it is not the same', async () => {
    const given = await receiptOf('/v1/chat/completions', { messages, ...withContent });
    const request = { messages: [{ role: 'user', content: 'one two four' }], temperature: 0 };
    const other = {
      ...stub,
      origin: () => Promise.resolve({ ...origin, weights: 'c'.repeat(64) }),
    };
    const again = await replayReceipt(given, { model: other, version: '0.2.0', request });
    const what = compareReceipts(given, again).map((one) => one.what);
    expect(what).toEqual(['weights', 'engine version', 'prompt', 'sampling', 'answer']);
    expect(firstDifference(given, again)).toBeGreaterThan(0);
  });

  it('names a KV cache of another format, which is f16 where a receipt does not say', async () => {
    const given = await receiptOf('/v1/chat/completions', { messages, ...receipt });
    const within = (kv_cache: 'f16' | 'q8_0') => ({ ...given, engine: { ...given.engine, kv_cache } });
    expect(given.engine).not.toHaveProperty('kv_cache');
    expect(compareReceipts(given, within('f16'))).toEqual([]);
    expect(compareReceipts(given, within('q8_0'))).toEqual([
      { what: 'KV cache', receipt: '"f16"', here: '"q8_0"' },
    ]);
  });

  it('refuses what cannot be compared', async () => {
    const bare = await receiptOf('/v1/completions', { prompt: 'x', ...receipt });
    await expect(async () => replayReceipt(bare, here)).rejects.toThrow(/--request FILE/);
    const given = await receiptOf('/v1/completions', { prompt: 'x', ...withContent });
    const content = { ...given.content!, output_tokens: [1] };
    await expect(async () => replayReceipt({ ...given, content }, here)).rejects.toThrow(
      /content\.output_tokens/,
    );
    await expect(replayReceipt(bare, { ...here, request: { prompt: 5 } })).rejects.toThrow(/refused.*prompt/);
    expect(() => readReceipts({ hello: 1 }, 'x.json')).toThrow(/x\.json holds no receipt/);
    expect(() => readReceipts({ ...given, version: 2 }, 'x.json')).toThrow(/x\.json: version/);
    expect(readReceipts({ steelyard: { receipts: [given] } }, 'x.json')).toEqual([given]);
  });
});
