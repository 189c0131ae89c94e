/**
 * OpenAI's error body, and the one place where our errors become HTTP answers.
 * Endpoints throw; nothing else in the server builds an error body.
 */

import {
  CapacityError,
  FormatError,
  NetworkError,
  NotFoundError,
  RequestError,
  SteelyardError,
  UnsupportedError,
} from '@steelyard/core';
import { EgressForbiddenError } from '@steelyard/core/node';
import { isUnstorableText } from '@steelyard/storage';
import type { ErrorObject } from '../schemas/error.ts';

const MAX_MESSAGE = 1_000;

export interface ApiErrorDetail {
  readonly param?: string | undefined;
  readonly code?: string | undefined;
  /** Default by status: `invalid_request_error` below 500, `server_error` from there. */
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** An answer other than success, as the wire will show it. */
export class ApiError extends Error {
  readonly status: number;
  readonly type: string;
  readonly param: string | null;
  readonly code: string | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, detail: ApiErrorDetail = {}) {
    super(clipped(message), { cause: detail.cause });
    this.name = 'ApiError';
    this.status = status;
    this.type = detail.type ?? defaultType(status);
    this.param = detail.param ?? null;
    this.code = detail.code ?? null;
    this.headers = detail.headers ?? {};
  }

  /** The `error` object of the body and of a stream's error event. */
  toObject(): ErrorObject {
    return { message: this.message, type: this.type, param: this.param, code: this.code };
  }
}

/** Not served here, not now, not in time, or not to be had elsewhere: nobody needs to look into these. */
const EXPECTED = new Set([501, 502, 503, 504]);

/** Whether it is a failure of the server, which its operator should hear of. */
export function isFault({ status }: ApiError): boolean {
  return status >= 500 && !EXPECTED.has(status);
}

/** Messages quote what the caller sent, which may be megabytes. */
function clipped(message: string): string {
  return message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}…` : message;
}

function defaultType(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}

/** A request that this server understands but does not serve; never silently ignored. */
export function unsupported(param: string, what: string, instead: string): ApiError {
  return new ApiError(400, `${what} is not supported by this server yet. ${instead}`, {
    param,
    code: 'unsupported_parameter',
  });
}

/**
 * The engine's refusal of a prompt, which it gives before the first token: the prompt is the caller's to shorten.
 * Capacity that lacks at any other time may be there later, and is left as it is.
 */
export function promptRefusal(error: unknown, param: string): unknown {
  if (!(error instanceof CapacityError)) return error;
  return new ApiError(400, error.message, { param, code: 'context_length_exceeded', cause: error });
}

/**
 * The engine's refusal, with the parameter by the name that this endpoint has for it.
 * @param names by the engine's; a name that is none of them stays
 */
export function renamed(error: unknown, names: Readonly<Record<string, string>>): unknown {
  if (!(error instanceof RequestError) || error.param === undefined) return error;
  const param = Object.hasOwn(names, error.param) ? names[error.param] : undefined;
  return param === undefined ? error : new RequestError(error.message, param);
}

/** Any thrown value as the answer it deserves. Unknown failures become 500 without their details. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof RequestError) {
    return new ApiError(400, error.message, { param: error.param, code: 'invalid_value', cause: error });
  }
  if (error instanceof NotFoundError) {
    return new ApiError(404, error.message, { param: 'model', code: 'model_not_found', cause: error });
  }
  if (error instanceof CapacityError) {
    return new ApiError(429, error.message, {
      code: 'insufficient_capacity',
      headers: { 'retry-after': '1' },
      cause: error,
    });
  }
  if (error instanceof UnsupportedError) {
    return new ApiError(400, error.message, { code: 'unsupported_value', cause: error });
  }
  if (error instanceof FormatError) {
    return new ApiError(500, error.message, { code: 'model_file_invalid', cause: error });
  }
  if (error instanceof NetworkError) {
    const forbidden = error instanceof EgressForbiddenError;
    return new ApiError(forbidden ? 403 : 502, error.message, {
      code: forbidden ? 'egress_forbidden' : 'network_failure',
      cause: error,
    });
  }
  if (error instanceof SteelyardError && error.code === 'aborted') {
    return new ApiError(503, error.message, { code: 'aborted', cause: error });
  }
  if (isUnstorableText(error)) {
    return new ApiError(
      400,
      'A value of this request holds the character NUL (U+0000), which cannot be kept or looked up. Remove it.',
      { code: 'invalid_value', cause: error },
    );
  }
  return new ApiError(500, 'The server failed on this request; its log says why. Trying again may help.', {
    code: 'internal_error',
    cause: error,
  });
}
