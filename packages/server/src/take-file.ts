/** The one file of a form, taken into the store while it arrives. */

import { CapacityError } from '@steelyard/core';
import type { FileStore, StagedBlob } from '@steelyard/storage';
import { ApiError } from './http/api-error.ts';
import { readMultipart } from './http/read-multipart.ts';

export interface TakenFile {
  readonly name: string;
  /** For the caller to discard in the end. */
  readonly taken: StagedBlob;
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * @param field name of the field that holds the file
 * @throws ApiError 413 above `limit` bytes, 400 without a file, and as `readMultipart`
 */
export async function takeFile(
  request: Request,
  field: string,
  store: Pick<FileStore, 'stage'>,
  { limit, silenceMs }: { readonly limit: number; readonly silenceMs: number },
): Promise<TakenFile> {
  const { file, fields } = await readMultipart(
    request,
    field,
    (content) => store.stage(content, limit).catch((error: unknown) => asTooLarge(error, field)),
    (staged) => staged.discard(),
    { silenceMs },
  );
  if (file) return { ...file, fields };
  throw new ApiError(400, `The form has no file, expected one in field '${field}'. Add it.`, {
    param: field,
    code: 'missing_required_parameter',
  });
}

function asTooLarge(error: unknown, param: string): never {
  if (!(error instanceof CapacityError)) throw error;
  throw new ApiError(413, error.message, { param, code: 'file_too_large', cause: error });
}
