/**
 * What commands ask of the layers below. The real ones are loaded when first used, so that `--help` and `list`
 * start without an engine; tests hand in their own.
 */

import type { LanguageModel } from '@steelyard/engine';
import type { BackendName } from '@steelyard/engine/node';
import type { ModelFile } from '@steelyard/formats';
import type { LoadedModel } from '@steelyard/models';
import type { ServerOptions, SteelyardServer } from '@steelyard/server';

/** A model in the store. */
export interface InstalledModel {
  readonly name: string;
  /** As given to `pull`. */
  readonly source: string;
  /** File or folder to open. */
  readonly path: string;
  readonly bytes: number;
  readonly digest: string | undefined;
  readonly license: string | undefined;
  readonly pulledAt: string | undefined;
  readonly files: readonly {
    readonly name: string;
    readonly bytes: number;
    readonly sha256: string | undefined;
  }[];
}

export interface PullProgress {
  /** What is being done to which file. */
  readonly label: string;
  readonly bytes: number;
  readonly totalBytes: number | undefined;
}

export interface PullOptions {
  readonly name?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: PullProgress) => void;
  readonly onNotice?: (text: string) => void;
}

export interface ModelStore {
  /** Folder of the store. */
  readonly root: string;
  list(): Promise<readonly InstalledModel[]>;
  find(name: string): Promise<InstalledModel | undefined>;
  /** Bytes that came free: files that other models share stay. */
  remove(name: string): Promise<number>;
  pull(source: string, options: PullOptions): Promise<InstalledModel>;
  /** The default model's name, and the sources to try for it in order. */
  readonly defaultModel: { readonly name: string; pull(options: PullOptions): Promise<InstalledModel> };
}

export interface ModelOptions {
  readonly backend?: BackendName | undefined;
  readonly name?: string | undefined;
  readonly memoryBytes?: number | undefined;
  readonly contextLength?: number | undefined;
  readonly threads?: number | undefined;
  readonly onNotice?: ((text: string) => void) | undefined;
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
}

/** The caller keeps the models and disposes them after the server. */
export interface ServeOptions extends Omit<ServerOptions, 'models'> {
  readonly models: readonly LanguageModel[];
}

export interface Services {
  openStore(): Promise<ModelStore>;
  /** Loads a model to run. @throws CapacityError when it does not fit */
  openLanguageModel(path: string, options: ModelOptions): Promise<LanguageModel>;
  /** Opens a file and traces its graph; the caller closes the file. */
  inspect(path: string): Promise<Inspection>;
  cpuReport(): Promise<CpuReport>;
  /** Where `hf:` sources come from. */
  hubUrl(env: Readonly<Record<string, string | undefined>>): string;
  createServer(options: ServeOptions): Promise<SteelyardServer>;
}
