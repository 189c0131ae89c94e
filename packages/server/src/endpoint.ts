/**
 * What an endpoint is: where it is, what it takes and gives as schemas, and its handler. Validation, types and the
 * published OpenAPI document all come from these records, so an endpoint is one file and one line in the list.
 */

import type { z } from 'zod';
import type { ProjectStorage, Records } from '@steelyard/storage';
import type { Access } from './access/access.ts';
import type { Caller } from './access/caller.ts';
import type { Prices } from './access/prices.ts';
import type { Used } from './access/usage-meter.ts';
import type { BatchRunner } from './batches/batch-runner.ts';
import type { IngestRunner } from './vector-stores/ingest-runner.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { ModelDepot } from './model-depot.ts';
import type { McpServers } from './mcp-servers/mcp-servers.ts';
import type { Metrics } from './metrics.ts';
import type { EmbeddingProvider, ModelProvider } from './model-provider.ts';
import type { Priority } from './queue/fair-queue.ts';
import type { Queues } from './queue/queues.ts';
import type { ReceiptPolicy } from './receipts/give-receipt.ts';
import type { Sealer } from './responses/sealed-reasoning.ts';
import type { Router } from './upstreams/router.ts';
import type { Traced } from './telemetry/tracing.ts';
import type { BackgroundRuns } from './responses/background-runs.ts';
import type { ModerationOptions, ServerLimits, StorageSource } from './options.ts';

/** What handlers share. */
export interface Services {
  readonly models: ModelProvider;
  readonly embeddingModels: EmbeddingProvider;
  readonly limits: ServerLimits;
  /**
   * What all projects keep, and the audit log; what a caller may see is in `Call.storage`.
   * @throws ApiError 501 when this server was made without storage
   */
  readonly storage: StorageSource;
  /** Projects, keys, usage and the audit log. @throws ApiError 501 when this server was made without storage */
  readonly records: () => Promise<Records>;
  readonly access: Access;
  /** Counts what a call used, for its limits and its bill. */
  readonly charge: (caller: Caller, used: Used) => void;
  /** Resolves when the usage that this process has counted is in the records. */
  readonly countedUsage: () => Promise<void>;
  readonly prices: Prices;
  /** Names of scopes: what stands behind `/v1/` in the paths served. */
  readonly scopeGroups: ReadonlySet<string>;
  /** False when it was made without storage: what is kept by default then is not. */
  readonly keeps: boolean;
  /** Responses that are computed while nobody waits for them. */
  readonly background: BackgroundRuns;
  /** Absent where requests see nothing of the disk. */
  readonly depot?: ModelDepot;
  /** What goes on while nobody waits; absent while nothing is opened that is kept. */
  readonly working: () => { readonly batches: BatchRunner; readonly ingest: IngestRunner } | undefined;
  /** What judges texts; absent where nothing does. */
  readonly moderation?: ModerationOptions;
  readonly lifecycle: Lifecycle;
  readonly queues: Queues;
  readonly receipts: ReceiptPolicy;
  /** Of thoughts that callers keep. */
  readonly sealer: Sealer;
  /** Whose tools models may call here. */
  readonly mcpServers: McpServers;
  /** Where requests may be computed that need not be computed here. */
  readonly router?: Router;
  readonly metrics: Metrics;
  readonly version: string;
  /** Unix seconds of the start; models are shown as created then. */
  readonly startedAt: number;
  readonly reportError: (error: unknown, requestId: string) => void;
}

/** What stands behind a path, unchecked: the first of each name, all of a name that ends with `[]`, as SDKs write lists. */
export type RawQuery = Readonly<Record<string, string | readonly string[]>>;

/** One request, checked. */
export interface Call<Body, Query = unknown> {
  readonly body: Body;
  /** Path parameters, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** As the endpoint's `query` schema gives it. */
  readonly query: Query;
  /** For bodies that are not JSON; unread unless the endpoint has a `request` schema. */
  readonly request: Request;
  readonly requestId: string;
  readonly caller: Caller;
  /** What the caller's project keeps. @throws ApiError 501 when this server was made without storage */
  readonly storage: () => Promise<ProjectStorage>;
  /** Labels of the data besides its own: of what it is a part of. */
  readonly dataLabels?: readonly string[];
  /** Batches wait behind who talks. Default interactive. */
  readonly priority?: Priority;
  /** The request as a span; absent where nobody traces. */
  readonly trace?: Traced;
  /** The upstream that computes its answer, which is put together here. */
  readonly upstream?: string;
  /** Part of a request that is counted among those in progress already. Default false. */
  readonly isAdmitted?: boolean;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
  readonly services: Services;
}

export interface Endpoint<Body = unknown, Query = RawQuery> {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /**
   * With parameters as in OpenAPI: `/v1/files/{file_id}`. `{+model}` takes the rest of the path, slashes too, and so
   * stands at the end.
   * @see RFC 6570, section 3.2.3
   */
  readonly path: string;
  readonly summary: string;
  /** Answers without a key too. Default false. */
  readonly open?: boolean;
  /** The body may come as any type from programs that are no browsers: `curl -d` says it is a form. Default false. */
  readonly anyContentType?: boolean;
  /**
   * Requests may be computed by another provider. `true`: it has this endpoint in the same form; `chat`, `embeddings`: it is
   * asked through that one, and the answer put together here. Default: they are computed here.
   */
  readonly routable?: true | 'chat' | 'embeddings';
  /** Name of the model in a body that may name it otherwise than by `model` alone. */
  readonly modelOf?: (body: Body) => string;
  /**
   * What a key needs for it; `any`: nothing but to be one, for what it asks for is checked where it is done. Default:
   * `read` for GET, else `write`.
   */
  readonly access?: 'read' | 'write' | 'admin' | 'any';
  /** Schema of the JSON body, where there is one. */
  readonly request?: z.ZodType<Body>;
  /** Schema of what stands behind the path; without one it is handed on unchecked. */
  readonly query?: z.ZodType<Query>;
  /** For documentation: fields of a `multipart/form-data` body, which the handler reads itself. */
  readonly form?: FormSchema;
  /** Schema of the JSON answer. */
  readonly response?: z.ZodType;
  /** Media type of an answer without schema. Default `text/plain`. */
  readonly responseType?: string;
  /** Schema of each event's data when the answer streams. */
  readonly streamEvent?: z.ZodType;
  /** Media type of the stream. Default `text/event-stream`. */
  readonly streamType?: string;
  /** @throws ApiError or any error of `@steelyard/core`; the app turns it into the answer */
  handle(call: Call<Body, Query>): Response | Promise<Response>;
}

export interface FormSchema {
  readonly fields: z.ZodType;
  /** Names of fields that are files. */
  readonly files: readonly string[];
}

/** Ties the handler's types to the schema's; the record itself is returned unchanged. */
export function defineEndpoint<Body, Query = RawQuery>(endpoint: Endpoint<Body, Query>): Endpoint {
  // The app hands `handle` only what `request` and `query` have parsed, so forgetting the types here is sound.
  return endpoint as Endpoint;
}
