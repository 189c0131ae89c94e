import type { EmbeddingModel } from '@steelyard/engine';
import { createStubEmbeddingModel } from '@steelyard/engine/testing';
import { CapacityError, UnsupportedError } from '@steelyard/core';
import { describe, expect, it } from 'vitest';
import { fakeModel } from '../../test/fake-model.ts';
import { post } from '../../test/requests.ts';
import { providerOf } from '../model-provider.ts';
import {
  embeddingResponseSchema,
  rerankResponseSchema,
  type EmbeddingResponse,
} from '../schemas/embeddings.ts';
import { createServer } from '../server.ts';

const embedder = createStubEmbeddingModel({ name: 'vectors' });

function serverWith(embeddingModel: EmbeddingModel = embedder, concurrentRequests = 4) {
  const { app } = createServer({
    models: providerOf([fakeModel()]),
    embeddingModels: providerOf([embeddingModel]),
    chatPage: false,
    limits: { concurrentRequests },
  });
  return {
    app,
    embed: (body: object) => post(app, '/v1/embeddings', { model: 'vectors', ...body }),
    rerank: (body: object) => post(app, '/v1/rerank', { model: 'vectors', ...body }),
  };
}

async function whole(response: Response): Promise<EmbeddingResponse> {
  expect(response.status).toBe(200);
  return embeddingResponseSchema.parse(await response.json());
}

async function errorOf(response: Response) {
  const body = (await response.json()) as { error: Record<string, unknown> };
  return { status: response.status, ...body.error };
}

describe('embeddings', () => {
  const { embed } = serverWith();

  it('answers one vector to a text, as the model gives it', async () => {
    const { vectors } = await embedder.embed(['one two', 'three']);
    const body = await whole(await embed({ input: ['one two', 'three'] }));
    expect(body.data.map(({ index, embedding }) => [index, embedding])).toEqual(
      vectors.map((vector, i) => [i, [...vector]]),
    );
    expect(body).toMatchObject({ model: 'vectors', usage: { prompt_tokens: 3, total_tokens: 3 } });
  });

  it.each([
    ['a text', 'one', 1],
    ['token ids', [5, 6], 1],
    ['lists of token ids', [[5, 6], [7]], 2],
  ])('takes %s', async (_, input, count) => {
    expect((await whole(await embed({ input }))).data).toHaveLength(count);
  });

  it('gives base64 of the same numbers, and fewer of them', async () => {
    const plain = await whole(await embed({ input: 'one two', dimensions: 3 }));
    const coded = await whole(await embed({ input: 'one two', dimensions: 3, encoding_format: 'base64' }));
    const bytes = Buffer.from(coded.data[0]!.embedding as string, 'base64');
    const numbers = [0, 4, 8].map((at) => bytes.readFloatLE(at));
    expect(bytes).toHaveLength(12);
    expect(numbers).toEqual(plain.data[0]!.embedding);
    expect(Math.hypot(...numbers)).toBeCloseTo(1, 6);
  });

  it.each([
    ['nothing', {}, 'input', 'missing_required_parameter'],
    ['an empty text', { input: ['a', ''] }, 'input[1]', 'string_below_min_length'],
    ['no texts', { input: [] }, 'input', 'array_below_min_length'],
    ['too many texts', { input: Array<string>(2049).fill('a') }, 'input', 'array_above_max_length'],
    ['no dimensions', { input: 'a', dimensions: 0 }, 'dimensions', 'integer_below_min_value'],
    ['another coding', { input: 'a', encoding_format: 'hex' }, 'encoding_format', 'invalid_value'],
    ['what it does not know', { input: 'a', truncate: true }, 'truncate', 'unknown_parameter'],
    ['what has no tokens', { input: ' ' }, 'input', 'invalid_value'],
  ])('refuses %s', async (_, body, param, code) => {
    expect(await errorOf(await embed(body))).toMatchObject({ status: 400, param, code });
  });

  it('names the models that make vectors', async () => {
    const error = await errorOf(await embed({ model: 'fake', input: 'a' }));
    expect(error).toMatchObject({ status: 404, code: 'model_not_found' });
    expect(error).toHaveProperty('message', expect.stringContaining("models that do: 'vectors'"));
  });

  it('says that a text is too long', async () => {
    const { embed: refused } = serverWith({
      ...embedder,
      embed: () => Promise.reject(new CapacityError('text 0 has 600 tokens, the model takes 512 here')),
    });
    const error = await errorOf(await refused({ input: 'a' }));
    expect(error).toMatchObject({ status: 400, param: 'input', code: 'context_length_exceeded' });
  });

  it('takes no more requests than it may, and gives every place back', async () => {
    const { embed: one } = serverWith(embedder, 1);
    const statuses = await Promise.all([one({ input: 'a' }), one({ input: 'b' })]);
    expect(statuses.map(({ status }) => status).sort()).toEqual([200, 429]);
    expect((await one({ input: ' ' })).status).toBe(400);
    expect((await one({ input: 'a' })).status).toBe(200);
  });

  it('is listed with the others', async () => {
    const { app } = serverWith();
    const { data } = (await (await app.request('/v1/models')).json()) as { data: { id: string }[] };
    expect(data.map(({ id }) => id)).toEqual(['fake', 'vectors']);
    const one: unknown = await (await app.request('/v1/models/vectors')).json();
    expect(one).toMatchObject({ steelyard: { dimensions: 8, has_chat_template: false } });
  });
});

it('names the model at fault where it makes no vectors', async () => {
  const why = 'it has no pooling';
  const { app } = createServer({
    models: providerOf([fakeModel()]),
    embeddingModels: {
      ...providerOf([embedder]),
      get: () => Promise.reject(new UnsupportedError(why)),
    },
    chatPage: false,
  });
  for (const [path, body] of [
    ['/v1/embeddings', { input: 'a' }],
    ['/v1/rerank', { query: 'a', documents: ['b'] }],
  ] as const) {
    const refused = await errorOf(await post(app, path, { model: 'fake', ...body }));
    expect(refused).toMatchObject({ status: 400, param: 'model', code: 'unsupported_value', message: why });
  }
});

describe('rerank', () => {
  const { rerank } = serverWith();
  const documents = ['blue', { text: 'red green' }, 'red', 'yellow'];

  it('sorts by the cosine', async () => {
    const response = await rerank({ query: 'red', documents, return_documents: true });
    const { results, usage } = rerankResponseSchema.parse(await response.json());
    expect(results[0]).toMatchObject({ index: 2, document: { text: 'red' } });
    expect(results[0]!.relevance_score).toBeCloseTo(1, 6);
    const { vectors } = await embedder.embed(['red', 'blue', 'red green', 'red', 'yellow']);
    const cosine = (i: number) => vectors[0]!.reduce((sum, x, j) => sum + x * vectors[i + 1]![j]!, 0);
    expect(results.map(({ relevance_score }) => relevance_score)).toEqual(
      results.map(({ index }) => cosine(index)),
    );
    const scores = results.map(({ relevance_score }) => relevance_score);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    expect(usage.total_tokens).toBe(6);
  });

  it('asks a cross-encoder about each document beside the query', async () => {
    const asked: unknown[] = [];
    const ranker: EmbeddingModel = {
      ...embedder,
      info: { ...embedder.info, name: 'vectors', dimensions: 1, ranks: true },
      score(query, texts) {
        asked.push([query, texts]);
        return Promise.resolve({ scores: [0.1, 0.9, 0.5, 0.2], promptTokens: 12 });
      },
    };
    const server = serverWith(ranker);
    const answer = await server.rerank({ query: 'red', documents, top_n: 2 });
    expect(rerankResponseSchema.parse(await answer.json())).toMatchObject({
      results: [
        { index: 1, relevance_score: 0.9 },
        { index: 2, relevance_score: 0.5 },
      ],
      usage: { total_tokens: 12 },
    });
    expect(asked).toEqual([['red', ['blue', 'red green', 'red', 'yellow']]]);
    const listed: unknown = await (await server.app.request('/v1/models/vectors')).json();
    expect(listed).toMatchObject({ steelyard: { ranks: true } });
    expect((listed as { steelyard: object }).steelyard).not.toHaveProperty('dimensions');
  });

  it('keeps the first few', async () => {
    const { results } = rerankResponseSchema.parse(
      await (await rerank({ query: 'red', documents, top_n: 1 })).json(),
    );
    expect(results).toEqual([{ index: 2, relevance_score: expect.closeTo(1, 6) as number }]);
  });

  it.each([
    ['no documents', { query: 'a', documents: [] }, 'documents'],
    ['no query', { documents: ['a'] }, 'query'],
    ['another kind of document', { query: 'a', documents: [{ title: 'b' }] }, 'documents[0].text'],
  ])('refuses %s', async (_, body, param) => {
    expect(await errorOf(await rerank(body))).toMatchObject({ status: 400, param });
  });
});
