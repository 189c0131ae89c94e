/** `/v1/vector_stores/{vector_store_id}/files` and `/file_batches`: what a vector store is made of. */

import { defineEndpoint, type Call } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import { listOf, toList } from '../schemas/list-page.ts';
import {
  fileBatchRequestSchema,
  fileBatchSchema,
  textPageSchema,
  toFileBatch,
  toVectorFile,
  vectorFileDeletedSchema,
  vectorFileListQuerySchema,
  vectorFileRequestSchema,
  vectorFileSchema,
  vectorFileUpdateSchema,
  type FileBatchRequest,
  type TextPage,
  type VectorFileDeleted,
  type VectorFileListQuery,
  type VectorFileRequest,
  type VectorFileUpdate,
} from '../schemas/vector-stores.ts';
import { toNewFile, withFiles } from '../vector-stores/with-store.ts';

const FILES = '/v1/vector_stores/{vector_store_id}/files';
const FILE = `${FILES}/{file_id}`;
const BATCHES = '/v1/vector_stores/{vector_store_id}/file_batches';
const BATCH = `${BATCHES}/{batch_id}`;

export const addVectorFile = defineEndpoint({
  method: 'POST',
  path: FILES,
  summary: 'Adds a file to a vector store; it is read in the background.',
  request: vectorFileRequestSchema,
  response: vectorFileSchema,
  handle: (call: Call<VectorFileRequest>) =>
    withFiles(call, async (files) => {
      const [added] = await files.add([toNewFile(call.body)]);
      call.services.working()?.ingest.wake();
      return Response.json(toVectorFile(added!));
    }),
});

export const listVectorFiles = defineEndpoint({
  method: 'GET',
  path: FILES,
  summary: "A vector store's files, newest first unless asked otherwise, in pages.",
  query: vectorFileListQuerySchema,
  response: listOf(vectorFileSchema),
  handle: (call: Call<unknown, VectorFileListQuery>) =>
    withFiles(call, async (files) => {
      const { filter: status, ...page } = call.query;
      const { rows, hasMore } = await files.list({ ...page, status });
      return Response.json(toList(rows.map(toVectorFile), hasMore));
    }),
});

export const retrieveVectorFile = defineEndpoint({
  method: 'GET',
  path: FILE,
  summary: 'One file of a vector store.',
  response: vectorFileSchema,
  handle: (call) => withFiles(call, async (files, id) => Response.json(toVectorFile(await files.get(id)))),
});

export const updateVectorFile = defineEndpoint({
  method: 'POST',
  path: FILE,
  summary: "Replaces the attributes of a vector store's file.",
  request: vectorFileUpdateSchema,
  response: vectorFileSchema,
  handle: (call: Call<VectorFileUpdate>) =>
    withFiles(call, async (files, id) =>
      Response.json(toVectorFile(await files.setAttributes(id, call.body.attributes ?? {}))),
    ),
});

export const deleteVectorFile = defineEndpoint({
  method: 'DELETE',
  path: FILE,
  summary: 'Takes a file out of a vector store; the file itself stays.',
  response: vectorFileDeletedSchema,
  handle: (call) =>
    withFiles(call, async (files, id) => {
      await files.remove(id);
      const body: VectorFileDeleted = { id, object: 'vector_store.file.deleted', deleted: true };
      return Response.json(body);
    }),
});

export const vectorFileContent = defineEndpoint({
  method: 'GET',
  path: `${FILE}/content`,
  summary: 'The text of a file, in the pieces that are searched.',
  response: textPageSchema,
  handle: (call) =>
    withFiles(call, async (files, id) => {
      const texts = await files.texts(id);
      const body: TextPage = {
        object: 'vector_store.file_content.page',
        data: texts.map((text) => ({ type: 'text', text })),
        has_more: false,
        next_page: null,
      };
      return Response.json(body);
    }),
});

export const createFileBatch = defineEndpoint({
  method: 'POST',
  path: BATCHES,
  summary: 'Adds several files to a vector store; they are read in the background.',
  request: fileBatchRequestSchema,
  response: fileBatchSchema,
  handle: (call: Call<FileBatchRequest>) =>
    withFiles(call, async (files) => {
      const { file_ids: ids, files: each, ...all } = call.body;
      if (!ids === !each) {
        throw new ApiError(400, "Send either 'file_ids' or 'files'.", {
          param: ids ? 'files' : 'file_ids',
          code: 'invalid_value',
        });
      }
      const wanted = each ?? ids!.map((file_id) => ({ file_id }));
      const batch = await files.addBatch(wanted.map((file) => toNewFile(file, each ? {} : all)));
      call.services.working()?.ingest.wake();
      return Response.json(toFileBatch(batch));
    }),
});

export const retrieveFileBatch = defineEndpoint({
  method: 'GET',
  path: BATCH,
  summary: 'How far a batch of files is.',
  response: fileBatchSchema,
  handle: (call) => withFiles(call, async (files, id) => Response.json(toFileBatch(await files.batch(id)))),
});

export const cancelFileBatch = defineEndpoint({
  method: 'POST',
  path: `${BATCH}/cancel`,
  summary: 'Leaves out what of a batch of files is not read yet.',
  response: fileBatchSchema,
  handle: (call) =>
    withFiles(call, async (files, id) => Response.json(toFileBatch(await files.cancelBatch(id)))),
});

export const listBatchFiles = defineEndpoint({
  method: 'GET',
  path: `${BATCH}/files`,
  summary: 'Files of a batch, newest first unless asked otherwise, in pages.',
  query: vectorFileListQuerySchema,
  response: listOf(vectorFileSchema),
  handle: (call: Call<unknown, VectorFileListQuery>) =>
    withFiles(call, async (files, batchId) => {
      const { filter: status, ...page } = call.query;
      const { rows, hasMore } = await files.list({ ...page, status, batchId });
      return Response.json(toList(rows.map(toVectorFile), hasMore));
    }),
});
