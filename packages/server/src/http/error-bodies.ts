/** An error in the shape that the caller's wire format has: OpenAI's, unless the path or a header says another. */

import { z } from 'zod';
import { errorBodySchema } from '../schemas/error.ts';
import type { ApiError } from './api-error.ts';

const anthropicSchema = z.object({
  type: z.literal('error'),
  error: z.object({ type: z.string(), message: z.string() }),
  request_id: z.string().optional(),
});

interface Asked {
  readonly path: string;
  readonly requestId: string;
  readonly header: (name: string) => string | undefined;
}

const ollamaSchema = z.object({ error: z.string() });

const OLLAMA_PATH = /^\/api\//;
const ANTHROPIC_PATH = /^\/v1\/messages(\/|$)/;

export function errorBody(error: ApiError, { path, requestId, header }: Asked): object {
  if (ANTHROPIC_PATH.test(path) || header('anthropic-version') !== undefined)
    return { ...anthropicError(error), request_id: requestId };
  if (OLLAMA_PATH.test(path)) return { error: error.message };
  return { error: error.toObject() };
}

/** What `errorBody` gives for a path, without any header. */
export function errorSchema(path: string): z.ZodType {
  if (OLLAMA_PATH.test(path)) return ollamaSchema;
  return ANTHROPIC_PATH.test(path) ? anthropicSchema : errorBodySchema;
}

export function anthropicError({ status, message }: ApiError): z.infer<typeof anthropicSchema> {
  return { type: 'error', error: { type: anthropicType(status), message } };
}

function anthropicType(status: number): string {
  const named: Readonly<Record<number, string>> = {
    401: 'authentication_error',
    403: 'permission_error',
    404: 'not_found_error',
    413: 'request_too_large',
    429: 'rate_limit_error',
    503: 'overloaded_error',
    504: 'timeout_error',
  };
  return named[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error');
}
