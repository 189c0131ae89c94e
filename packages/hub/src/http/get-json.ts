/** Small JSON documents of hubs and registries, with retries, a size limit and no trust in their shape. */

import { FormatError } from '@steelyard/core';
import type { Headers } from 'undici';
import type { PullContext } from '../pull-plan.ts';
import { transportFailure, type HttpClient } from './client.ts';
import { statusError } from './download.ts';
import { withRetries } from './retry.ts';

const MAX_BYTES = 32 << 20;

export type JsonObject = Readonly<Record<string, unknown>>;

export interface JsonAnswer {
  readonly value: unknown;
  readonly bytes: Buffer;
  readonly headers: Headers;
}

/**
 * @param explain says what 401, 403 and 404 mean at this place
 * @throws NetworkError, FormatError when the answer is no JSON
 */
export async function getJson(
  url: string,
  headers: () => Promise<Readonly<Record<string, string>>>,
  explain: (status: number, body: string) => Error,
  context: PullContext,
  client: HttpClient,
): Promise<JsonAnswer> {
  const retry = { ...context.options, onNotice: (text: string) => context.notice(text) };
  return withRetries(retry, async () => {
    const response = await client.get({
      url,
      headers: { accept: 'application/json', ...(await headers()) },
      signal: context.signal,
    });
    if (response.status !== 200) throw await statusError(response, url, explain);
    const chunks: Uint8Array[] = [];
    let size = 0;
    try {
      for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
        size += chunk.length;
        if (size > MAX_BYTES)
          throw new FormatError(`${url}: more than ${MAX_BYTES} bytes of JSON; expected a list`);
        chunks.push(chunk);
      }
    } catch (error) {
      throw error instanceof FormatError ? error : transportFailure(error, new URL(url));
    }
    const bytes = Buffer.concat(chunks);
    try {
      return { value: JSON.parse(bytes.toString('utf8')) as unknown, bytes, headers: response.headers };
    } catch (error) {
      const start = bytes.toString('utf8', 0, 60);
      throw new FormatError(
        `${url}: expected JSON, got ${JSON.stringify(start)}; a proxy may be answering in its place`,
        { cause: error },
      );
    }
  });
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
