/** What a server is made from, with its defaults. */

import type { Storage } from '@steelyard/storage';
import type { Hono } from 'hono';
import type { Prices } from './access/prices.ts';
import type { RequestLogEntry } from './request-log.ts';
import type { AppEnv } from './app.ts';
import type { McpStreams } from './mcp/over-streams.ts';
import type { McpServersConfig } from './mcp-servers/config.ts';
import type { ModelDepot } from './model-depot.ts';
import type { EmbeddingProvider, ModelProvider } from './model-provider.ts';
import type { Sealer } from './responses/sealed-reasoning.ts';
import type { Routing } from './upstreams/config.ts';
import type { Tracing } from './telemetry/tracing.ts';
import type { ReceiptPolicy } from './receipts/give-receipt.ts';

/** Opens what the server keeps, at the first call; later calls give the same. The giver closes it. */
export type StorageSource = () => Promise<Storage>;

export interface ServerLimits {
  /** Largest request body. Default 16 MiB. */
  readonly bodyBytes: number;
  /** Largest file. Default 512 MiB. */
  readonly fileBytes: number;
  /** Largest file that comes in parts. Default 8 GiB, as OpenAI's. */
  readonly uploadBytes: number;
  /** Largest part of such a file. Default 64 MiB, as OpenAI's. */
  readonly partBytes: number;
  /** Largest input of a batch. Default 200 MB, as OpenAI's. */
  readonly batchBytes: number;
  /** Deepest nesting of arrays and objects in a body. Default 64. */
  readonly jsonDepth: number;
  /** Generation requests in progress, streaming or queued; more are answered 429. Default 256. */
  readonly concurrentRequests: number;
  /** Bytes that the bodies of those may have together; more are answered 429. Default 256 MiB. */
  readonly concurrentBytes: number;
  /** Sequences that a model's engine gets at once; more wait in its queue. Default 32. */
  readonly sequencesPerModel: number;
  /** Requests that wait for one model; more are answered 429. Default 256. */
  readonly queueLength: number;
  /** Milliseconds that a call of a tool that the server runs may take. Default 60 000. */
  readonly toolMs: number;
  /** Milliseconds that a request may take unless its own header says so; 0: as long as it takes. Default 0. */
  readonly deadlineMs: number;
  /** Milliseconds that the head of a request may take to arrive. Default 30 000. */
  readonly headersMs: number;
  /** Milliseconds that a body may fall silent while it arrives. Default 30 000. */
  readonly silenceMs: number;
  /** Milliseconds that a JSON body may take to arrive; files may take as long as they do. Default 300 000. */
  readonly requestMs: number;
  /** Milliseconds that a client may leave an answer unread before it is cut off. Default 120 000. */
  readonly stallMs: number;
  /** Milliseconds that `close` waits for answers in progress before it aborts them. Default 10 000. */
  readonly drainMs: number;
}

/** What judges texts for `/v1/moderations`. */
export interface ModerationOptions {
  /** Name of a served language model. */
  readonly model: string;
  /** What each category means, for the model. Default: close to OpenAI's words. */
  readonly policy?: string;
}

export interface ServerOptions {
  readonly models: ModelProvider;
  /** Models for `/v1/embeddings` and `/v1/rerank`. Default none. */
  readonly embeddingModels?: EmbeddingProvider;
  /** Models on disk, for lists, and for pulls and deletions where it has them. Default: nothing of it is seen. */
  readonly depot?: ModelDepot;
  /** Where files are kept. Default: nowhere, and endpoints that keep something answer 501. */
  readonly storage?: StorageSource;
  /** Open the storage as soon as the server listens, so that batches go on which a restart interrupted. Default true. */
  readonly opensStorage?: boolean;
  /** Default: none, and `/v1/moderations` answers 501. */
  readonly moderation?: ModerationOptions;
  /** Address to bind. Default 127.0.0.1; anything but a loopback address needs `apiKey` or `keys`. */
  readonly host?: string;
  /** Default 8642; 0 lets the system choose. */
  readonly port?: number;
  /** How many ports to try, counting up from `port`, while they are taken. Default 1. */
  readonly portAttempts?: number;
  /** Serve the built-in chat page at `/`; the documentation at `/docs` always is. Default true. */
  readonly chatPage?: boolean;
  /**
   * Require `Authorization: Bearer <apiKey>`, or `x-api-key`. Default: no key is asked for. With `keys` it is a key among
   * others, an admin's.
   */
  readonly apiKey?: string;
  /**
   * Ask for keys of projects, kept in `storage`; the first start makes an admin key. Default: only where other machines
   * reach the server and there is no `apiKey`.
   */
  readonly keys?: boolean;
  /** What tokens cost, for budgets and reports. Default: nothing. */
  readonly prices?: Prices;
  /** Host names accepted in the Host header besides loopback names. On a loopback address others are refused. */
  readonly allowedHosts?: readonly string[];
  /** Origins that may call from a browser besides the server's own (`*` for all). Default none. */
  readonly allowedOrigins?: readonly string[];
  /** What may be computed elsewhere. Default: nothing. */
  readonly routing?: Routing;
  /** MCP servers whose tools models may call, by label; requests reach no others. Default: none. */
  readonly mcpServers?: McpServersConfig;
  /** Where the keys of `routing` and `mcpServers` are. Default: the process's environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Receipts of answers. Default: on request, without signature. */
  readonly receipts?: ReceiptPolicy;
  /**
   * Seals thoughts that callers keep and give back (`encrypted_content`). Default: with a key of this process, so that none
   * are taken back after a restart.
   */
  readonly sealer?: Sealer;
  readonly limits?: Partial<ServerLimits>;
  /** Told of each request, but of probes and scrapes, when its answer has ended. Default: nobody is. */
  readonly requestLog?: (entry: RequestLogEntry) => void;
  /** Whether it is told content of projects that have theirs logged. Default true. */
  readonly logContent?: boolean;
  /** Where spans of requests go. Default: nowhere. The giver closes it after the server. */
  readonly tracing?: Tracing;
  /** Shown by `/health` and part of `system_fingerprint`. */
  readonly version?: string;
  /** Told about failures that are not the caller's fault. Default: written to stderr. */
  readonly onError?: (error: unknown, requestId: string) => void;
}

export interface Listening {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Whether callers need a key. */
  readonly needsKey: boolean;
  /** The first admin key, on the first start with `keys`. It is told only here. */
  readonly adminKey?: string;
}

export interface SteelyardServer {
  /** The routes, for tests (`app.request`) and for mounting elsewhere. */
  readonly app: Hono<AppEnv>;
  /** @throws RequestError when the port (and those after it, if asked) is taken */
  listen(): Promise<Listening>;
  /** `/health/ready` answers 503 with this reason until what it returns is called. */
  notReady(reason: string): () => void;
  /**
   * Speaks the Model Context Protocol over streams in place of a socket, as anybody who is at this machine: all its models
   * may be used. Resolves when the input ends or the server is closed.
   */
  mcp(streams: McpStreams): Promise<void>;
  /** Stops accepting, lets answers finish for `limits.drainMs`, then aborts them. Models are not disposed. */
  close(): Promise<void>;
}

export const DEFAULT_LIMITS: ServerLimits = {
  bodyBytes: 16 * 1024 * 1024,
  fileBytes: 512 * 1024 * 1024,
  uploadBytes: 8 * 1024 * 1024 * 1024,
  partBytes: 64 * 1024 * 1024,
  batchBytes: 200_000_000,
  jsonDepth: 64,
  concurrentRequests: 256,
  concurrentBytes: 256 * 1024 * 1024,
  sequencesPerModel: 32,
  queueLength: 256,
  toolMs: 60_000,
  deadlineMs: 0,
  headersMs: 30_000,
  silenceMs: 30_000,
  requestMs: 300_000,
  stallMs: 120_000,
  drainMs: 10_000,
};
