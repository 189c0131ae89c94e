/** Reads a JSON body within limits. Size and depth are bounded before anything is built from the bytes. */

import type { ServerLimits } from '../options.ts';
import { ApiError } from './api-error.ts';
import { bodyChunks } from './body-chunks.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * @throws ApiError 415 for another content type, 413 above `bodyBytes`, 408 for what comes too slowly, 400 for what is not JSON or nests too deep
 */
export async function readJson(
  request: Request,
  limits: ServerLimits,
  { anyContentType = false }: { readonly anyContentType?: boolean } = {},
): Promise<unknown> {
  if (!anyContentType || isBrowser(request)) requireJsonType(request.headers.get('content-type'));
  const bytes = await readBytes(request, limits);
  checkDepth(bytes, limits.jsonDepth);
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return JSON.parse(text) as unknown;
  } catch (error) {
    const reason = error instanceof SyntaxError ? error.message : 'the bytes are not UTF-8';
    throw new ApiError(
      400,
      `The request body could not be read as JSON: ${reason}. Check quotes and commas.`,
      {
        code: 'invalid_json',
        cause: error,
      },
    );
  }
}

/** A simple form or text type would let any web page post here without asking; see also the Origin check. */
function requireJsonType(contentType: string | null): void {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase();
  if (type === 'application/json') return;
  throw new ApiError(
    415,
    `Got content type '${contentType ?? 'none'}', expected application/json. Set the header 'Content-Type: application/json'.`,
    { code: 'unsupported_content_type' },
  );
}

/** Browsers say so with every request that writes. */
function isBrowser({ headers }: Request): boolean {
  return headers.has('origin') || headers.has('sec-fetch-site') || headers.has('referer');
}

async function readBytes(
  request: Request,
  { bodyBytes: limit, silenceMs, requestMs: totalMs }: ServerLimits,
): Promise<Uint8Array> {
  const declared = Number(request.headers.get('content-length') ?? 0);
  if (declared > limit) throw tooLarge(declared, limit);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bodyChunks(request, { silenceMs, totalMs })) {
    size += chunk.byteLength;
    if (size > limit) throw tooLarge(size, limit);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

function tooLarge(size: number, limit: number): ApiError {
  return new ApiError(
    413,
    `The request body has ${size} bytes or more, expected at most ${limit}. Send less text.`,
    {
      code: 'request_too_large',
    },
  );
}

/** Counts brackets outside strings; malformed JSON is left for the parser to refuse. */
export function checkDepth(bytes: Uint8Array, limit: number): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (inString) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === OPEN_BRACKET || byte === OPEN_BRACE) {
      if (++depth > limit) throw tooDeep(limit);
    } else if (byte === CLOSE_BRACKET || byte === CLOSE_BRACE) depth--;
  }
}

function tooDeep(limit: number): ApiError {
  return new ApiError(
    400,
    `The request body nests arrays and objects more than ${limit} deep, the most accepted.`,
    {
      code: 'json_too_deep',
    },
  );
}
