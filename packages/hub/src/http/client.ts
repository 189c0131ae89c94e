/**
 * One HTTP request as a pull needs it: proxies of the environment, redirects followed by hand, no plain http beyond
 * this machine, no decompression (sizes and ranges must mean what they say), errors as a person can use them.
 */

import { NetworkError, UnsupportedError } from '@steelyard/core';
import { checkEgress } from '@steelyard/core/node';
import type { Dispatcher, Response } from 'undici';
import { abortedError } from '../failures.ts';
import { isLoopback } from './loopback.ts';

const MAX_REDIRECTS = 10;
const CONNECT_TIMEOUT_MS = 15_000;
/** Silence on an open connection that counts as a broken one. */
const IDLE_TIMEOUT_MS = 60_000;
const USER_AGENT = 'steelyard';

export interface HttpRequest {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

export class HttpClient {
  readonly #env: Readonly<Record<string, string | undefined>>;
  #dispatcher: Dispatcher | undefined;

  /** @param env read for http_proxy, https_proxy and no_proxy, in either case */
  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#env = env;
  }

  /**
   * Sends a GET and follows redirects; credentials stay with the origin they were meant for.
   * @throws TransientError when a later try may succeed, NetworkError when not
   */
  async get(request: HttpRequest): Promise<Response> {
    let url = checkedUrl(request.url);
    let headers: Record<string, string> = {
      'user-agent': USER_AGENT,
      'accept-encoding': 'identity',
      ...request.headers,
    };
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const response = await this.#send(url, headers, request.signal);
      const location =
        response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
      if (location === null) return response;
      await response.body?.cancel();
      const next = checkedUrl(new URL(location, url).href);
      if (url.protocol === 'https:' && next.protocol === 'http:') {
        throw new NetworkError(
          `${url.host} redirects to plain http at ${next.host}; refused: it could be altered`,
        );
      }
      if (next.origin !== url.origin) {
        headers = Object.fromEntries(
          Object.entries(headers).filter(([name]) => !/^authorization$/i.test(name)),
        );
      }
      url = next;
    }
    throw new NetworkError(
      `${request.url}: more than ${MAX_REDIRECTS} redirects; the server is set up in a circle`,
    );
  }

  /** Closes idle connections so that the process can end. */
  async close(): Promise<void> {
    await this.#dispatcher?.destroy();
    this.#dispatcher = undefined;
  }

  async #send(url: URL, headers: Record<string, string>, signal: AbortSignal | undefined): Promise<Response> {
    checkEgress(url);
    // Loaded on first use: looking into the store needs no network.
    const { EnvHttpProxyAgent, fetch } = await import('undici');
    const env = (name: string): string | undefined => this.#env[name] ?? this.#env[name.toUpperCase()];
    this.#dispatcher ??= new EnvHttpProxyAgent({
      httpProxy: env('http_proxy') ?? '',
      httpsProxy: env('https_proxy') ?? '',
      noProxy: env('no_proxy') ?? '',
      connect: { timeout: CONNECT_TIMEOUT_MS },
      headersTimeout: IDLE_TIMEOUT_MS,
      bodyTimeout: IDLE_TIMEOUT_MS,
    });
    try {
      return await fetch(url, {
        headers,
        redirect: 'manual',
        dispatcher: this.#dispatcher,
        ...(signal ? { signal } : {}),
      });
    } catch (error) {
      if (signal?.aborted) throw abortedError();
      throw transportFailure(error, url);
    }
  }
}

/** A failure after which the same request may succeed. */
export class TransientError extends NetworkError {
  /** What the server asked for, if it did. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options?: { cause?: unknown; retryAfterMs?: number | undefined }) {
    super(message, options);
    this.retryAfterMs = options?.retryAfterMs;
  }
}

/** Turns an error of the connection, before or within the body, into one with a host and a next step. */
export function transportFailure(error: unknown, url: URL): NetworkError {
  const code = innermostCode(error);
  const text = `${url.host}: ${describe(code, error)}`;
  if (code === 'ENOTFOUND') {
    return new NetworkError(`${text}; check the name, the network, and HTTPS_PROXY if a proxy is needed`, {
      cause: error,
    });
  }
  if (code?.startsWith('ERR_TLS') || code?.includes('CERT') || code === 'UNABLE_TO_VERIFY_LEAF_SIGNATURE') {
    return new NetworkError(`${text}; a company's own certificate goes into NODE_EXTRA_CA_CERTS`, {
      cause: error,
    });
  }
  return new TransientError(`${text}; check the network and run the pull again: what has come is kept`, {
    cause: error,
  });
}

function describe(code: string | undefined, error: unknown): string {
  switch (code) {
    case 'ENOTFOUND':
      return 'this name is not known to DNS (ENOTFOUND)';
    case 'ECONNREFUSED':
      return 'connection refused (ECONNREFUSED)';
    case 'UND_ERR_CONNECT_TIMEOUT':
      return 'no connection within 15 s';
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return 'silent for 60 s';
    default:
      return code ?? (error instanceof Error ? error.message : String(error));
  }
}

function innermostCode(error: unknown): string | undefined {
  let code: string | undefined;
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'string') code = at.code;
    if (at instanceof AggregateError && at.cause === undefined) at.cause = at.errors[0];
  }
  return code;
}

/** @throws UnsupportedError for schemes other than https, and http beyond this machine */
function checkedUrl(text: string): URL {
  const url = new URL(text);
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))) return url;
  throw new UnsupportedError(
    `${url.protocol}//${url.host}: only https, and http to this machine, are followed`,
  );
}
