/** A request as another provider gets it, and its answer as ours: the stream as it comes, errors in our words, no keys. */

import { checkEgress } from '@steelyard/core/node';
import type { Dispatcher } from 'undici';
import { ApiError } from '../http/api-error.ts';
import type { Upstream } from './config.ts';

export interface UpstreamRequest {
  readonly upstream: Upstream;
  /** Below the version: `/chat/completions`. */
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
}

/** Another try, here or there, may have an answer: it is down, too busy, or does not take our key. */
export class UpstreamUnavailable extends ApiError {}

const MAX_ERROR_BYTES = 64 * 1024;

let dispatcher: Promise<Dispatcher> | undefined;

/**
 * @returns its answer, as it begins
 * @throws UpstreamUnavailable when it cannot answer; ApiError as it refuses the request
 */
export async function askUpstream(request: UpstreamRequest): Promise<Response> {
  const { upstream, path, body, signal } = request;
  const url = new URL(`${upstream.url}${path}`);
  const key = upstream.key();
  let response: Response;
  try {
    checkEgress(url);
    const { EnvHttpProxyAgent, fetch } = await import('undici');
    dispatcher ??= Promise.resolve(new EnvHttpProxyAgent());
    response = (await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'steelyard',
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      },
      body: JSON.stringify(body),
      // Another address might be another's.
      redirect: 'manual',
      dispatcher: timed(await dispatcher, upstream.timeoutMs),
      signal,
    })) as unknown as Response;
  } catch (error) {
    if (signal.aborted) throw error;
    throw unavailable(upstream, `cannot be reached (${reasonOf(error)})`, error);
  }
  if (response.ok) return response;
  throw await refusal(upstream, response);
}

/** The same, with its own limit of silence. */
function timed(inner: Dispatcher, ms: number): Dispatcher {
  return inner.compose(
    (dispatch) => (options, handler) =>
      dispatch({ ...options, headersTimeout: ms, bodyTimeout: ms }, handler),
  );
}

function reasonOf(error: unknown): string {
  let reason = 'unknown';
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    reason = 'code' in at && typeof at.code === 'string' ? at.code : at.message;
  }
  return reason.slice(0, 200);
}

/** @param error what ended it, or what it tells itself */
export function brokeOff({ name }: Upstream, error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const { message } = (error ?? {}) as { message?: unknown };
  const reason =
    error instanceof Error || typeof message !== 'string' ? reasonOf(error) : message.slice(0, 200);
  return new UpstreamUnavailable(502, `The upstream '${name}' broke off its answer (${reason}).`, {
    code: 'upstream_broke_off',
  });
}

function unavailable({ name }: Upstream, why: string, cause?: unknown, headers = {}): UpstreamUnavailable {
  return new UpstreamUnavailable(
    502,
    `The upstream '${name}' ${why}. Try again, or ask for a model that is served here.`,
    {
      code: 'upstream_unavailable',
      headers,
      cause,
    },
  );
}

async function refusal(upstream: Upstream, response: Response): Promise<ApiError> {
  const { status } = response;
  const told = await errorIn(response);
  const retry = response.headers.get('retry-after');
  const headers = retry !== null && /^\d{1,6}$/.test(retry) ? { 'retry-after': retry } : {};
  // Its words on a key may quote the key.
  if (status === 401 || status === 403 || status === 407)
    return unavailable(upstream, `does not take our key (${status})`);
  if (status === 429) {
    return new UpstreamUnavailable(
      429,
      `The upstream '${upstream.name}' takes no more requests now. Try again later.`,
      {
        code: 'upstream_rate_limited',
        headers: { 'retry-after': '5', ...headers },
      },
    );
  }
  if (status < 400 || status >= 500) return unavailable(upstream, `answered ${status}`, undefined, headers);
  return new ApiError(status, `The upstream '${upstream.name}' refused the request: ${told.message}`, {
    ...(told.param === undefined ? {} : { param: told.param }),
    code: told.code ?? 'upstream_refused',
  });
}

interface Told {
  readonly message: string;
  readonly param?: string;
  readonly code?: string;
}

async function errorIn(response: Response): Promise<Told> {
  try {
    const text = await textUpTo(response, MAX_ERROR_BYTES);
    const { error } = JSON.parse(text) as { error?: { message?: unknown; param?: unknown; code?: unknown } };
    return {
      message: typeof error?.message === 'string' ? error.message : 'it gives no reason',
      ...(typeof error?.param === 'string' ? { param: error.param } : {}),
      ...(typeof error?.code === 'string' ? { code: error.code } : {}),
    };
  } catch {
    return { message: 'it gives no reason that can be read' };
  }
}

async function textUpTo(response: Response, limit: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > limit) break;
  }
  return text;
}

/**
 * The body as it comes. When it breaks off, a stream of events ends with an error as ours do; else the connection ends.
 * @param onEnd called once, with what ended it if that was a failure
 */
export function passOn(
  upstream: Upstream,
  body: ReadableStream<Uint8Array>,
  streams: boolean,
  onEnd: (failure?: unknown) => void,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (!done) return controller.enqueue(value);
          onEnd();
          controller.close();
        } catch (error) {
          onEnd(error);
          if (!streams) return controller.error(error);
          const told = brokeOff(upstream, error).toObject();
          controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify({ error: told })}\n\n`));
          controller.close();
        }
      },
      async cancel(reason) {
        onEnd();
        await reader.cancel(reason).catch(() => undefined);
      },
    },
    { highWaterMark: 1 },
  );
}
