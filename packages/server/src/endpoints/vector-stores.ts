/** `/v1/vector_stores`: texts of files, found by meaning and by words. */

import { defineEndpoint, type Call } from '../endpoint.ts';
import { listOf, toList } from '../schemas/list-page.ts';
import {
  vectorSearchPageSchema,
  vectorSearchRequestSchema,
  type VectorSearchPage,
  type VectorSearchRequest,
} from '../schemas/vector-search.ts';
import {
  toVectorStore,
  vectorStoreDeletedSchema,
  vectorStoreListQuerySchema,
  vectorStoreRequestSchema,
  vectorStoreSchema,
  vectorStoreUpdateSchema,
  type VectorStoreDeleted,
  type VectorStoreListQuery,
  type VectorStoreRequest,
  type VectorStoreUpdate,
} from '../schemas/vector-stores.ts';
import { searchStore } from '../vector-stores/search-store.ts';
import { modelForVectors, toNewFile, withStore } from '../vector-stores/with-store.ts';

const PATH = '/v1/vector_stores';
const ONE = `${PATH}/{vector_store_id}`;

export const createVectorStore = defineEndpoint({
  method: 'POST',
  path: PATH,
  summary: 'Makes a vector store, of files where there are some already.',
  request: vectorStoreRequestSchema,
  response: vectorStoreSchema,
  async handle(call: Call<VectorStoreRequest>) {
    const { name, description, metadata, expires_after: expiry, ...rest } = call.body;
    const { vectorStores: stores } = await call.storage();
    const { id } = await stores.create({
      name: name ?? '',
      description: description ?? null,
      metadata: metadata ?? {},
      model: await modelForVectors(call),
      expiresDays: expiry?.days ?? null,
    });
    if (rest.file_ids?.length) {
      const added = rest.file_ids.map((file_id) => toNewFile({ file_id }, rest));
      await stores
        .files(id)
        .add(added)
        .catch(async (error: unknown) => {
          await stores.remove(id);
          throw error;
        });
      call.services.working()?.ingest.wake();
    }
    return Response.json(toVectorStore(await stores.get(id)));
  },
});

export const listVectorStores = defineEndpoint({
  method: 'GET',
  path: PATH,
  summary: 'Vector stores, newest first unless asked otherwise, in pages.',
  query: vectorStoreListQuerySchema,
  response: listOf(vectorStoreSchema),
  async handle(call: Call<unknown, VectorStoreListQuery>) {
    const { vectorStores } = await call.storage();
    const { rows, hasMore } = await vectorStores.list(call.query);
    return Response.json(toList(rows.map(toVectorStore), hasMore));
  },
});

export const retrieveVectorStore = defineEndpoint({
  method: 'GET',
  path: ONE,
  summary: 'One vector store.',
  response: vectorStoreSchema,
  handle: (call) => withStore(call, async (stores, id) => Response.json(toVectorStore(await stores.get(id)))),
});

export const updateVectorStore = defineEndpoint({
  method: 'POST',
  path: ONE,
  summary: "Changes a vector store's name, metadata or expiry.",
  request: vectorStoreUpdateSchema,
  response: vectorStoreSchema,
  handle: (call: Call<VectorStoreUpdate>) =>
    withStore(call, async (stores, id) => {
      const { name, metadata, expires_after: expiry } = call.body;
      const store = await stores.update(id, {
        ...(name === undefined ? {} : { name: name ?? '' }),
        ...(metadata === undefined ? {} : { metadata: metadata ?? {} }),
        ...(expiry === undefined ? {} : { expiresDays: expiry?.days ?? null }),
      });
      return Response.json(toVectorStore(store));
    }),
});

export const deleteVectorStore = defineEndpoint({
  method: 'DELETE',
  path: ONE,
  summary: 'Deletes a vector store; its files stay.',
  response: vectorStoreDeletedSchema,
  handle: (call) =>
    withStore(call, async (stores, id) => {
      await stores.remove(id);
      const body: VectorStoreDeleted = { id, object: 'vector_store.deleted', deleted: true };
      return Response.json(body);
    }),
});

export const searchVectorStore = defineEndpoint({
  method: 'POST',
  path: `${ONE}/search`,
  summary: 'Pieces of texts that fit a query, by meaning and by words, best first.',
  request: vectorSearchRequestSchema,
  response: vectorSearchPageSchema,
  handle: (call: Call<VectorSearchRequest>) =>
    withStore(call, async (stores, id) => {
      // `rewrite_query` allows another wording and promises none.
      const { query, rewrite_query: _, ...options } = call.body;
      const queries = typeof query === 'string' ? [query] : query;
      const found = await searchStore(call, stores, id, { queries, options });
      const body: VectorSearchPage = {
        object: 'vector_store.search_results.page',
        search_query: [...queries],
        data: found.map(({ fileId, filename, score, attributes, text }) => ({
          file_id: fileId,
          filename,
          score,
          attributes,
          content: [{ type: 'text', text }],
        })),
        has_more: false,
        next_page: null,
      };
      return Response.json(body);
    }),
});
