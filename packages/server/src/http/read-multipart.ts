/** Reads a multipart form with one file, which goes where the caller says while it arrives. */

import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SteelyardError } from '@steelyard/core';
import busboy from 'busboy';
import { ApiError } from './api-error.ts';
import { bodyChunks, type BodyTimes } from './body-chunks.ts';

const MAX_FIELDS = 16;
const MAX_FIELD_BYTES = 4_096;

export interface MultipartForm<Taken> {
  /** By name; `a[b]` becomes the object `a` with the field `b`, as OpenAI's SDKs write nested ones. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly file: { readonly name: string; readonly taken: Taken } | undefined;
}

/**
 * @param wanted name of the field that holds the file
 * @param take reads the file's content to its end, or throws; what it gives is handed back with the form
 * @param drop undoes a `take` when the rest of the form turns out wrong
 * @throws ApiError 415 for another content type, 400 for a malformed form, 408 for one that falls silent, and what `take` throws
 */
export async function readMultipart<Taken>(
  request: Request,
  wanted: string,
  take: (content: Readable) => Promise<Taken>,
  drop: (taken: Taken) => Promise<void>,
  times: BodyTimes,
): Promise<MultipartForm<Taken>> {
  const form = { fields: {}, file: undefined, refusal: undefined } as FormSoFar<Taken>;
  const parser = openParser(request, wanted);
  parser.on('field', (name, value, info) => {
    if (info.nameTruncated || info.valueTruncated)
      form.refusal ??= `a field exceeds ${MAX_FIELD_BYTES} bytes`;
    else if (!setField(form.fields, name, value)) form.refusal ??= `field '${name}' is there twice`;
  });
  parser.on('file', (field, content, info) => {
    if (field !== wanted) {
      form.refusal ??= `got a file in field '${field.slice(0, 60)}', expected it in '${wanted}'`;
      content.resume();
      return;
    }
    // A form may break off before `take` has begun to read, and an error that nobody listens for ends the process.
    content.on('error', () => {});
    form.file = { name: info.filename || 'upload', taken: take(content) };
    // A `take` that gives up must not leave the parser waiting for a reader.
    form.file.taken.catch((error: unknown) => parser.destroy(error as Error));
  });
  parser.on('fieldsLimit', () => (form.refusal ??= `more than ${MAX_FIELDS} fields`));
  parser.on('filesLimit', () => (form.refusal ??= 'more than one file'));

  const failure = await feed(bodyChunks(request, times), parser);
  const taken = await settled(form.file?.taken);
  const error = formError(request, failure, taken?.error, form.refusal, wanted);
  if (error) {
    if (taken && !taken.error) await drop(taken.value!);
    throw error;
  }
  const file = form.file && { name: form.file.name, taken: taken!.value! };
  return { fields: form.fields, file };
}

interface FormSoFar<Taken> {
  readonly fields: Record<string, unknown>;
  file: { readonly name: string; readonly taken: Promise<Taken> } | undefined;
  /** The first thing that is wrong; the rest of the form is read past. */
  refusal: string | undefined;
}

function openParser(request: Request, wanted: string): busboy.Busboy {
  const type = request.headers.get('content-type') ?? 'none';
  if (type.split(';', 1)[0]!.trim().toLowerCase() !== 'multipart/form-data') {
    throw new ApiError(
      415,
      `Got content type '${type}', expected multipart/form-data. Send a form with the file in field '${wanted}'.`,
      { code: 'unsupported_content_type' },
    );
  }
  try {
    return busboy({
      headers: { 'content-type': type },
      defParamCharset: 'utf8',
      limits: { files: 1, fields: MAX_FIELDS, fieldSize: MAX_FIELD_BYTES, fieldNameSize: 100 },
    });
  } catch (error) {
    throw malformed((error as Error).message, wanted);
  }
}

/** @returns what stopped the form before its end */
async function feed(body: AsyncIterable<Uint8Array>, parser: busboy.Busboy): Promise<Error | undefined> {
  try {
    await pipeline(Readable.from(body, { objectMode: false }), parser);
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

async function settled<T>(
  promise: Promise<T> | undefined,
): Promise<{ value?: T; error?: Error } | undefined> {
  return promise?.then(
    (value) => ({ value }),
    (error: unknown) => ({ error: error as Error }),
  );
}

/** A `take` that gave up of itself comes first; it also fails when its content breaks off, which is the form's fault. */
function formError(
  request: Request,
  failure: Error | undefined,
  refused: Error | undefined,
  refusal: string | undefined,
  wanted: string,
): Error | undefined {
  if (failure instanceof ApiError) return failure;
  if (refused instanceof SteelyardError || refused instanceof ApiError) return refused;
  if (request.signal.aborted) {
    return new ApiError(499, 'The client closed the connection.', { code: 'client_closed_request' });
  }
  if (refused && 'syscall' in refused) return refused;
  const reason = refusal ?? (failure ?? refused)?.message;
  return reason === undefined ? undefined : malformed(reason, wanted);
}

/** @returns false when the field is there already */
function setField(fields: Record<string, unknown>, name: string, value: string): boolean {
  const [, outer, inner] = /^([^[\]]+)\[([^[\]]+)\]$/.exec(name) ?? [];
  if (outer === undefined || inner === undefined) return setOwn(fields, name, value);
  if (!Object.hasOwn(fields, outer)) setOwn(fields, outer, {});
  const nested = fields[outer];
  return typeof nested === 'object' && setOwn(nested as Record<string, unknown>, inner, value);
}

/** Defined rather than assigned: a field may be called `__proto__`. */
function setOwn(target: Record<string, unknown>, name: string, value: unknown): boolean {
  if (Object.hasOwn(target, name)) return false;
  Object.defineProperty(target, name, { value, enumerable: true });
  return true;
}

function malformed(reason: string, wanted: string): ApiError {
  return new ApiError(
    400,
    `The form could not be read: ${reason}. Send multipart/form-data with one file in field '${wanted}'.`,
    { code: 'invalid_multipart_form' },
  );
}
