/**
 * What an endpoint is: where it is, what it takes and gives as schemas, and its handler. Validation, types and the
 * published OpenAPI document all come from these records, so an endpoint is one file and one line in the list.
 */

import type { z } from 'zod';
import type { Lifecycle } from './lifecycle.ts';
import type { Metrics } from './metrics.ts';
import type { EmbeddingProvider, ModelProvider } from './model-provider.ts';
import type { BackgroundRuns } from './responses/background-runs.ts';
import type { ServerLimits, StorageSource } from './options.ts';

/** What handlers share. */
export interface Services {
  readonly models: ModelProvider;
  readonly embeddingModels: EmbeddingProvider;
  readonly limits: ServerLimits;
  /** @throws ApiError 501 when this server was made without storage */
  readonly storage: StorageSource;
  /** False when it was made without storage: what is kept by default then is not. */
  readonly keeps: boolean;
  /** Responses that are computed while nobody waits for them. */
  readonly background: BackgroundRuns;
  readonly lifecycle: Lifecycle;
  readonly metrics: Metrics;
  readonly version: string;
  /** Unix seconds of the start; models are shown as created then. */
  readonly startedAt: number;
  readonly reportError: (error: unknown, requestId: string) => void;
}

/** One request, checked. */
export interface Call<Body> {
  readonly body: Body;
  /** Path parameters, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** What stands behind the path, unchecked; the first of each name. */
  readonly query: Readonly<Record<string, string>>;
  /** For bodies that are not JSON; unread unless the endpoint has a `request` schema. */
  readonly request: Request;
  readonly requestId: string;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
  readonly services: Services;
}

export interface Endpoint<Body = unknown> {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /**
   * With parameters as in OpenAPI: `/v1/files/{file_id}`. `{+model}` takes the rest of the path, slashes too, and so
   * stands at the end.
   * @see RFC 6570, section 3.2.3
   */
  readonly path: string;
  readonly summary: string;
  /** Schema of the JSON body, where there is one. */
  readonly request?: z.ZodType<Body>;
  /** Schema of the JSON answer; absent for plain text. */
  readonly response?: z.ZodType;
  /** Schema of each event's data when the answer streams. */
  readonly streamEvent?: z.ZodType;
  /** @throws ApiError or any error of `@steelyard/core`; the app turns it into the answer */
  handle(call: Call<Body>): Response | Promise<Response>;
}

/** Ties the handler's types to the schema's; the record itself is returned unchanged. */
export function defineEndpoint<Body>(endpoint: Endpoint<Body>): Endpoint {
  // The app hands `handle` only what `request` has parsed, so forgetting the type here is sound.
  return endpoint;
}
