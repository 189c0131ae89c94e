/** The key of a request, where SDKs put it, and the check of the one key of a server in simple mode. */

import { createHash, timingSafeEqual } from 'node:crypto';
import { ApiError } from '../http/api-error.ts';
import { KEY_HOLDER, type Caller } from './caller.ts';

/** OpenAI's clients send `Authorization: Bearer`, Anthropic's `x-api-key`. */
export function keyOf(headers: Headers): string | undefined {
  return (
    /^Bearer (.+)$/i.exec(headers.get('authorization') ?? '')?.[1] ?? headers.get('x-api-key') ?? undefined
  );
}

/** @throws ApiError 401 */
export function checkServerKey(headers: Headers, apiKey: string): Caller {
  const given = keyOf(headers);
  if (given === undefined) throw missingKey();
  if (!isServerKey(given, apiKey))
    throw new ApiError(401, 'Incorrect API key. Use the key that this server was started with.', {
      code: 'invalid_api_key',
      type: 'invalid_request_error',
    });
  return KEY_HOLDER;
}

/** Compared as hashes, so that neither length nor content shows in the time it takes. */
export function isServerKey(given: string, apiKey: string | undefined): boolean {
  return apiKey !== undefined && timingSafeEqual(sha256(given), sha256(apiKey));
}

export function missingKey(): ApiError {
  return new ApiError(401, "No API key. Send the header 'Authorization: Bearer KEY'.", {
    code: 'missing_api_key',
    type: 'invalid_request_error',
  });
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
