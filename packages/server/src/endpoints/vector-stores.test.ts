import { setTimeout as sleep } from 'node:timers/promises';
import { createStubEmbeddingModel } from '@steelyard/engine/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pdfOf } from '../../test/documents.ts';
import { fakeModel } from '../../test/fake-model.ts';
import { errorOf, keptServer, type KeptServer } from '../../test/kept-server.ts';
import { upload } from '../../test/multipart.ts';
import { providerOf } from '../model-provider.ts';
import type { FileObject } from '../schemas/files.ts';
import type { VectorSearchPage } from '../schemas/vector-search.ts';
import type { FileBatch, TextPage, VectorFile, VectorStoreObject } from '../schemas/vector-stores.ts';

const PATH = '/v1/vector_stores';
let server: KeptServer;

beforeAll(async () => {
  const embeddingModels = providerOf([createStubEmbeddingModel({ name: 'vectors', dimensions: 64 })]);
  server = await keptServer([fakeModel()], { embeddingModels });
}, 120_000);
afterAll(() => server?.close());

const json = async <Body>(response: Promise<Response>) => (await (await response).json()) as Body;

async function file(content: string | Buffer, name = 'a.txt'): Promise<string> {
  const given = new File([new Uint8Array(Buffer.from(content))], name);
  const response = await upload(server.app, { purpose: 'assistants', file: given });
  return ((await response.json()) as FileObject).id;
}

async function create(body: object = {}): Promise<VectorStoreObject> {
  const response = await server.post(PATH, body);
  expect(response.status).toBe(200);
  return (await response.json()) as VectorStoreObject;
}

async function read(store: string, id: string): Promise<VectorFile> {
  for (;;) {
    const found = await json<VectorFile>(server.get(`${PATH}/${store}/files/${id}`));
    if (found.status !== 'in_progress') return found;
    await sleep(10);
  }
}

async function add(store: string, id: string, more: object = {}): Promise<VectorFile> {
  const response = await server.post(`${PATH}/${store}/files`, { file_id: id, ...more });
  expect(response.status).toBe(200);
  return read(store, id);
}

const search = (store: string, body: object) =>
  json<VectorSearchPage>(server.post(`${PATH}/${store}/search`, body));

describe('vector stores', () => {
  it('read files and find their pieces', async () => {
    const { id, file_counts, status, steelyard } = await create({ name: 'Rivers', metadata: { a: 'b' } });
    expect({ status, total: file_counts.total, ...steelyard }).toEqual({
      status: 'completed',
      total: 0,
      embedding_model: 'vectors',
      description: null,
    });
    const danube = await file('The Danube flows into the Black Sea.', 'danube.txt');
    const fruit = await file(pdfOf('Apples and pears are fruits.'), 'fruit.pdf');
    expect(await add(id, danube, { attributes: { year: 1990, wet: true } })).toMatchObject({
      object: 'vector_store.file',
      status: 'completed',
      last_error: null,
      attributes: { year: 1990, wet: true },
      chunking_strategy: {
        type: 'static',
        static: { max_chunk_size_tokens: 512, chunk_overlap_tokens: 256 },
      },
    });
    expect((await add(id, fruit, { attributes: { year: 2020 } })).status).toBe('completed');
    const found = await search(id, { query: 'Where does the Danube flow?' });
    expect(found).toMatchObject({
      object: 'vector_store.search_results.page',
      search_query: ['Where does the Danube flow?'],
      has_more: false,
      data: [{ file_id: danube, filename: 'danube.txt', attributes: { year: 1990 } }, { file_id: fruit }],
    });
    const rewritten = { query: 'Where does the Danube flow?', rewrite_query: true };
    expect(await search(id, rewritten)).toEqual(found);
    expect(found.data[0]!.content).toEqual([{ type: 'text', text: 'The Danube flows into the Black Sea.' }]);
    const files = async (body: object) =>
      (await search(id, { query: 'Danube', ...body })).data.map(({ file_id }) => file_id);
    expect(await files({ filters: { type: 'gt', key: 'year', value: 2000 } })).toEqual([fruit]);
    expect(
      await files({
        filters: {
          type: 'and',
          filters: [
            { type: 'lt', key: 'year', value: 2000 },
            { type: 'or', filters: [{ type: 'eq', key: 'wet', value: true }] },
          ],
        },
      }),
    ).toEqual([danube]);
    expect(await files({ max_num_results: 1 })).toEqual([danube]);
    expect(await files({ ranking_options: { score_threshold: 0.9 } })).toEqual([danube]);
    expect(
      await files({ query: ['Apples pears', 'Danube'], ranking_options: { ranker: 'none' } }),
    ).toHaveLength(2);
    const store = await json<VectorStoreObject>(server.get(`${PATH}/${id}`));
    expect(store.file_counts).toMatchObject({ completed: 2, total: 2 });
    expect(store.usage_bytes).toBeGreaterThan(500);
    const changed = await server.post(`${PATH}/${id}/files/${danube}`, { attributes: { year: 2021 } });
    expect(await changed.json()).toMatchObject({ attributes: { year: 2021 } });
    expect(await files({ filters: { type: 'in', key: 'year', value: [2021, 5] } })).toEqual([danube]);
  });

  it('cut texts as asked', async () => {
    const { id } = await create();
    const words = Array.from({ length: 250 }, (_, i) => `w${i}`).join(' ');
    const made = await add(id, await file(words), {
      chunking_strategy: { type: 'static', static: { max_chunk_size_tokens: 100, chunk_overlap_tokens: 50 } },
    });
    expect(made.chunking_strategy).toMatchObject({ type: 'static', static: { max_chunk_size_tokens: 100 } });
    const { data } = await json<TextPage>(server.get(`${PATH}/${id}/files/${made.id}/content`));
    expect(data.map(({ text }) => text.split(' ').length)).toEqual([100, 100, 100, 100]);
  });

  it('say what they cannot read', async () => {
    const { id } = await create();
    expect((await add(id, await file(Buffer.from([0, 1, 2]), 'a.bin'))).last_error!.code).toBe(
      'unsupported_file',
    );
    expect((await add(id, await file(' \n', 'empty.txt'))).last_error!.code).toBe('invalid_file');
    const { data } = await json<{ data: VectorFile[] }>(
      server.get(`${PATH}/${id}/files?filter=failed&limit=1`),
    );
    expect(data).toHaveLength(1);
  });

  it('take several files at once', async () => {
    const file_ids = [await file('one', '1.txt'), await file('two', '2.txt')];
    const { id } = await create();
    let batch = await json<FileBatch>(server.post(`${PATH}/${id}/file_batches`, { file_ids }));
    expect(batch).toMatchObject({ object: 'vector_store.files_batch', vector_store_id: id });
    while (batch.status === 'in_progress') {
      await sleep(10);
      batch = await json<FileBatch>(server.get(`${PATH}/${id}/file_batches/${batch.id}`));
    }
    expect(batch).toMatchObject({ status: 'completed', file_counts: { completed: 2, total: 2 } });
    const listed = await json<{ data: VectorFile[] }>(
      server.get(`${PATH}/${id}/file_batches/${batch.id}/files?order=asc`),
    );
    expect(listed.data.map((one) => one.id)).toEqual(file_ids);
    const store = await create({ file_ids });
    expect(store.file_counts.total).toBe(2);
  });

  it('are listed, changed and deleted', async () => {
    const { id } = await create({ expires_after: { anchor: 'last_active_at', days: 2 } });
    const changed = await json<VectorStoreObject>(
      server.post(`${PATH}/${id}`, { name: 'new', expires_after: null }),
    );
    expect(changed).toMatchObject({ name: 'new', expires_at: null });
    const list = await json<{ data: VectorStoreObject[] }>(server.get(`${PATH}?limit=1`));
    expect(list.data[0]!.id).toBe(id);
    const gone = await server.remove(`${PATH}/${id}`);
    expect(await gone.json()).toEqual({ id, object: 'vector_store.deleted', deleted: true });
    expect(await errorOf(await server.get(`${PATH}/${id}`))).toMatchObject({ status: 404 });
  });

  it.each([
    ['', { name: 'a\0' }, 'name'],
    ['', { file_ids: ['file-9'] }, 'file_id'],
    ['', { expires_after: { anchor: 'last_active_at', days: 0 } }, 'expires_after.days'],
    [
      '',
      {
        chunking_strategy: {
          type: 'static',
          static: { max_chunk_size_tokens: 100, chunk_overlap_tokens: 51 },
        },
      },
      'chunking_strategy.static',
    ],
    ['/search', { query: '' }, 'query'],
    ['/search', { query: 'x', filters: { type: 'gt', key: 'a', value: true } }, 'filters.value'],
    ['/search', { query: 'x', max_num_results: 51 }, 'max_num_results'],
    ['/file_batches', {}, 'file_ids'],
    ['/files', { file_id: 'file-9' }, 'file_id'],
    ['/files', { file_id: 'f', attributes: { a: null } }, 'attributes.a'],
  ])('refuse %s %o', async (path, body, param) => {
    const at = path === '' ? PATH : `${PATH}/${(await create()).id}${path}`;
    expect(await errorOf(await server.post(at, body))).toMatchObject({ status: 400, param });
  });

  it('need a model that makes vectors', async () => {
    const bare = await keptServer([fakeModel()]);
    expect(await errorOf(await bare.post(PATH, {}))).toMatchObject({ code: 'embedding_model_missing' });
    await bare.close();
  });
});
