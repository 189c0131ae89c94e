/** `/v1/uploads`: large files, which come in parts and become a file of `/v1/files` when complete. */

import type { UploadStore } from '@steelyard/storage';
import { defineEndpoint, type Call } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import { found } from '../responses/stored-responses.ts';
import { keptFilename } from '../schemas/files.ts';
import {
  toUpload,
  toUploadPart,
  uploadCompletionSchema,
  uploadPartSchema,
  uploadRequestSchema,
  uploadSchema,
  type UploadCompletionRequest,
  type UploadRequest,
} from '../schemas/uploads.ts';
import { takeFile } from '../take-file.ts';

const PATH = '/v1/uploads';
const ONE = `${PATH}/{upload_id}`;

export const createUpload = defineEndpoint({
  method: 'POST',
  path: PATH,
  summary: 'Announces a file that comes in parts within the next hour.',
  request: uploadRequestSchema,
  response: uploadSchema,
  async handle(call: Call<UploadRequest>) {
    const { filename, purpose, bytes, mime_type: mimeType, expires_after: expiry } = call.body;
    const limit = call.services.limits.uploadBytes;
    if (bytes > limit) {
      throw new ApiError(
        400,
        `Invalid 'bytes': got ${bytes}, expected at most ${limit}. Send a smaller file.`,
        {
          param: 'bytes',
          code: 'integer_above_max_value',
        },
      );
    }
    const { uploads } = await call.storage();
    const upload = await uploads.create({
      ...{ purpose, bytes, mimeType },
      filename: keptFilename(filename),
      ...(expiry ? { fileExpiresAfter: expiry.seconds } : {}),
    });
    return Response.json(toUpload(upload));
  },
});

export const addUploadPart = defineEndpoint({
  method: 'POST',
  path: `${ONE}/parts`,
  summary: 'Adds a part, as a form with `data`. Parts may come at once and in any order.',
  response: uploadPartSchema,
  handle: (call) =>
    withUpload(call, async (uploads, id) => {
      const { partBytes: limit, silenceMs } = call.services.limits;
      const { taken } = await takeFile(call.request, 'data', uploads, { limit, silenceMs });
      try {
        return Response.json(toUploadPart(await uploads.addPart(id, taken)));
      } finally {
        await taken.discard();
      }
    }),
});

export const completeUpload = defineEndpoint({
  method: 'POST',
  path: `${ONE}/complete`,
  summary: 'Makes a file of the parts in the order given, whose size and MD5 are checked.',
  request: uploadCompletionSchema,
  response: uploadSchema,
  handle: (call: Call<UploadCompletionRequest>) =>
    withUpload(call, async (uploads, id) => {
      const { part_ids: parts, md5 } = call.body;
      return Response.json(toUpload(await uploads.complete(id, { parts, ...(md5 ? { md5 } : {}) })));
    }),
});

export const cancelUpload = defineEndpoint({
  method: 'POST',
  path: `${ONE}/cancel`,
  summary: 'Ends an upload and forgets its parts.',
  response: uploadSchema,
  handle: (call) =>
    withUpload(call, async (uploads, id) => Response.json(toUpload(await uploads.cancel(id)))),
});

async function withUpload(
  call: Call<unknown>,
  answer: (uploads: UploadStore, id: string) => Promise<Response>,
): Promise<Response> {
  const { uploads } = await call.storage();
  return found(answer(uploads, call.params['upload_id'] ?? ''), {
    status: 404,
    param: 'upload_id',
    code: 'upload_not_found',
  });
}
