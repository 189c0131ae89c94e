/** An error in the shape that the caller's wire format has: OpenAI's, or Anthropic's. */

import type { ApiError } from './api-error.ts';

export interface AnthropicError {
  readonly type: 'error';
  readonly error: { readonly type: string; readonly message: string };
  readonly request_id?: string;
}

interface Asked {
  readonly path: string;
  readonly requestId: string;
  header(name: string): string | undefined;
}

/** Whether this is answered as Anthropic's API does: by the path, or the header that its clients send. */
export function speaksAnthropic({ path, header }: Pick<Asked, 'path' | 'header'>): boolean {
  return (
    path === '/v1/messages' || path.startsWith('/v1/messages/') || header('anthropic-version') !== undefined
  );
}

export function errorBody(error: ApiError, asked: Asked): object {
  if (speaksAnthropic(asked)) return { ...anthropicError(error), request_id: asked.requestId };
  return { error: error.toObject() };
}

export function anthropicError({ status, message }: ApiError): AnthropicError {
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
