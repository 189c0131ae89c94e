/**
 * What commands ask of the layers below. The real ones are loaded when first used, so that `--help` and `list`
 * start without an engine; tests hand in their own.
 */

import type { EmbeddingModel, LanguageModel } from '@steelyard/engine';
import type { BackendName, CacheDType } from '@steelyard/engine/node';
import type { ModelFile } from '@steelyard/formats';
import type { PullOptions as HubPullOptions, Store, StoredModel } from '@steelyard/hub';
import type { ArchitectureSummary, LoadedModel, Pooling } from '@steelyard/models';
import type {
  Catalog,
  compareReceipts,
  Described,
  firstDifference,
  McpServersConfig,
  ModelPool,
  PoolOptions,
  readAnyReceipts,
  readReceipts,
  replayReceipt,
  ServerOptions,
  signatureHolds,
  SteelyardServer,
  Tracing,
  TracingOptions,
} from '@steelyard/server';
import type { Routing } from '@steelyard/server/config';
import type { S3Options } from '@steelyard/storage';
import type { Records, StorageOptions } from '@steelyard/storage';

/** How a pull is watched, stopped and named. */
export type PullOptions = Pick<HubPullOptions, 'onProgress' | 'onNotice' | 'signal' | 'name'>;

/** The hub's store, and pulling into it. */
export interface ModelStore extends Pick<Store, 'root' | 'list' | 'find' | 'copy' | 'remove'> {
  /** @throws NetworkError and others of the hub */
  pull(source: string, options: PullOptions): Promise<StoredModel>;
  readonly defaultModel: { readonly name: string; pull(options: PullOptions): Promise<StoredModel> };
}

export interface ModelOptions {
  readonly backend?: BackendName | undefined;
  readonly name?: string | undefined;
  readonly memoryBytes?: number | undefined;
  readonly expertsOnDisk?: boolean | undefined;
  readonly speculation?: boolean | undefined;
  readonly contextLength?: number | undefined;
  readonly kvDType?: CacheDType | undefined;
  readonly threads?: number | undefined;
  /** Of its files, as the store has it. */
  readonly digest?: string | undefined;
  readonly onNotice?: ((text: string) => void) | undefined;
}

export interface EmbeddingModelOptions extends ModelOptions {
  readonly pooling?: Pooling | undefined;
}

/** A file opened to be looked at, not run. */
export interface Inspection {
  readonly file: ModelFile;
  readonly model: LoadedModel;
  readonly pageSize: number;
}

export interface CpuReport {
  readonly available: boolean;
  /** Why it is not available. */
  readonly reason?: string;
  /** Which set of kernels runs: `avx2`, ... */
  readonly level?: string;
  readonly threads: number;
  /** What the processor has and the operating system does not let this process use, with the reason. */
  readonly refused?: string;
  /** The WebAssembly build of the same kernels, used where the native one is missing. */
  readonly wasm?: WasmReport;
}

export interface WasmReport {
  readonly available: boolean;
  /** Why it is not available. */
  readonly reason?: string;
  /** Which build this version of Node takes: `simd`, ... */
  readonly variant?: string;
  readonly threads?: number;
}

/** The caller keeps the models and disposes them after the server. */
export interface ServeOptions extends Omit<ServerOptions, 'storage' | 'receipts' | 'routing' | 'mcpServers'> {
  /** Made and opened at the first request that keeps something. */
  readonly dataDirectory: string;
  /** What may be computed elsewhere, or a JSON file of it. Default: nothing may. */
  readonly routes?: string | Routing;
  /** Files of MCP servers whose tools models may call, or `label=url` of one. Default: none. */
  readonly mcp?: readonly string[];
  /** A receipt for every answer; default for those who ask. They are signed by a key in `dataDirectory`. */
  readonly receiptsAlways?: boolean;
  /** `postgresql://...`. Default: PGlite in `dataDirectory`. */
  readonly databaseUrl?: string;
  /** Where contents of files lie instead. */
  readonly s3?: S3Options;
  /** Told what works less well than it could, when the database is opened. */
  readonly onNotice?: (text: string) => void;
}

export interface ReceiptTools {
  readonly read: typeof readReceipts;
  readonly readAny: typeof readAnyReceipts;
  readonly replay: typeof replayReceipt;
  readonly compare: typeof compareReceipts;
  readonly firstDifference: typeof firstDifference;
  readonly signatureHolds: typeof signatureHolds;
}

export interface Services {
  openStore(): Promise<ModelStore>;
  /** Loads a model to run. @throws CapacityError when it does not fit */
  openLanguageModel(path: string, options: ModelOptions): Promise<LanguageModel>;
  /** Loads a model for vectors of texts. @throws UnsupportedError when neither it nor the options say how to pool */
  openEmbeddingModel(path: string, options: EmbeddingModelOptions): Promise<EmbeddingModel>;
  /** Looks at what would be loaded. @throws CapacityError when it does not fit in `availableBytes` */
  describeModel(
    path: string,
    options: EmbeddingModelOptions & { readonly availableBytes?: number },
  ): Promise<Described>;
  /** Connects to no other machine from now on but to those allowed. */
  forbidEgress(allowed: readonly string[]): Promise<void>;
  /** Where spans go. @throws EgressForbiddenError where connections to it are forbidden */
  openTracing(options: TracingOptions): Promise<Tracing>;
  /** @throws RequestError naming the file and what is wrong with it */
  readRoutes(file: string): Promise<Routing>;
  /**
   * @param given files, or `label=url`
   * @throws RequestError naming the file and what is wrong with it
   */
  readMcpServers(given: readonly string[]): Promise<McpServersConfig>;
  /** What receipts of answers are for. */
  receipts(): Promise<ReceiptTools>;
  /** Many models within a budget of memory, loaded on demand. */
  createModelPool(catalog: Catalog, options: PoolOptions): Promise<ModelPool>;
  /** Whether the file is made for vectors of texts. */
  makesVectors(path: string): Promise<boolean>;
  /** What the registry of models supports. */
  architectures(): Promise<readonly ArchitectureSummary[]>;
  /** Opens a file and traces its graph; the caller closes the file. */
  inspect(path: string): Promise<Inspection>;
  cpuReport(): Promise<CpuReport>;
  /** Where `hf:` sources come from. */
  hubUrl(env: Readonly<Record<string, string | undefined>>): Promise<string>;
  createServer(options: ServeOptions): Promise<SteelyardServer>;
  /** What a server has written down, without the server. @throws RequestError while a server holds the directory */
  openRecords(options: StorageOptions): Promise<Records>;
  /** The API of administration over records. */
  administration(records: Records): Promise<(path: string, init?: RequestInit) => Promise<Response>>;
}
