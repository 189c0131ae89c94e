/** `/v1/files`: what batches and other endpoints read, kept until deleted or past its time. */

import { Readable } from 'node:stream';
import { NotFoundError } from '@steelyard/core';
import type { FileStore } from '@steelyard/storage';
import { defineEndpoint, type Call } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import { validate } from '../http/validate.ts';
import {
  fileDeletedSchema,
  fileFormSchema,
  fileListQuerySchema,
  fileListSchema,
  fileSchema,
  toFileObject,
  type FileDeleted,
  keptFilename,
  type FileList,
} from '../schemas/files.ts';
import { takeFile } from '../take-file.ts';

export const uploadFile = defineEndpoint({
  method: 'POST',
  path: '/v1/files',
  summary: 'Uploads a file, as a form with `file` and `purpose`.',
  form: { fields: fileFormSchema, files: ['file'] },
  response: fileSchema,
  async handle({ request, services, storage }) {
    const { files } = await storage();
    const { fileBytes: limit, silenceMs } = services.limits;
    const { name, taken, fields } = await takeFile(request, 'file', files, { limit, silenceMs });
    try {
      const { purpose, expires_after: expiry } = validate(fileFormSchema, fields);
      const stored = await files.create(taken, {
        filename: keptFilename(name),
        purpose,
        ...(expiry ? { expiresAfter: expiry.seconds } : {}),
      });
      return Response.json(toFileObject(stored));
    } finally {
      await taken.discard();
    }
  },
});

export const listFiles = defineEndpoint({
  method: 'GET',
  path: '/v1/files',
  summary: 'Files, newest first unless asked otherwise, in pages.',
  query: fileListQuerySchema,
  response: fileListSchema,
  async handle({ query: { limit, order, after, purpose }, storage }) {
    const { files } = await storage();
    const page = await files.list({
      limit,
      order,
      ...(after === undefined ? {} : { after }),
      ...(purpose === undefined ? {} : { purpose }),
    });
    const data = page.files.map(toFileObject);
    const body: FileList = {
      object: 'list',
      data,
      first_id: data[0]?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
      has_more: page.hasMore,
    };
    return Response.json(body);
  },
});

export const retrieveFile = defineEndpoint({
  method: 'GET',
  path: '/v1/files/{file_id}',
  summary: 'What is known of one file.',
  response: fileSchema,
  handle: (call) => withFile(call, async (files, id) => Response.json(toFileObject(await files.get(id)))),
});

export const fileContent = defineEndpoint({
  method: 'GET',
  path: '/v1/files/{file_id}/content',
  summary: 'The bytes of one file.',
  responseType: 'application/octet-stream',
  handle: (call) =>
    withFile(call, async (files, id) => {
      const { bytes, filename } = await files.get(id);
      const content = Readable.toWeb(await files.content(id)) as ReadableStream<Uint8Array>;
      return new Response(content, {
        headers: {
          'content-type': 'application/octet-stream',
          'content-length': String(bytes),
          // Never shown by a browser as a page of this server.
          'content-disposition': `attachment; filename*=UTF-8''${encodeName(filename)}`,
        },
      });
    }),
});

export const deleteFile = defineEndpoint({
  method: 'DELETE',
  path: '/v1/files/{file_id}',
  summary: 'Deletes a file.',
  response: fileDeletedSchema,
  handle: (call) =>
    withFile(call, async (files, id) => {
      await files.remove(id);
      const body: FileDeleted = { id, object: 'file', deleted: true };
      return Response.json(body);
    }),
});

async function withFile(
  { params, storage }: Call<unknown>,
  answer: (files: FileStore, id: string) => Promise<Response>,
): Promise<Response> {
  const { files } = await storage();
  try {
    return await answer(files, params['file_id'] ?? '');
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    // Not the general mapping, which takes what is missing for a model.
    throw new ApiError(404, error.message, { param: 'file_id', code: 'file_not_found', cause: error });
  }
}

/** RFC 8187. */
function encodeName(name: string): string {
  return encodeURIComponent(name).replace(
    /['()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
