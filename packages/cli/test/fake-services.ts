/** Services without disks, networks or weights. */

import { CapacityError, NotFoundError } from '@steelyard/core';
import type { LanguageModel } from '@steelyard/engine';
import { createStubEmbeddingModel, createStubModel } from '@steelyard/engine/testing';
import type { StoredModel } from '@steelyard/hub';
import { ModelPool } from '@steelyard/server';
import { createServices } from '../src/real-services.ts';
import type { ModelStore, PullOptions, ServeOptions, Services } from '../src/services.ts';

export function installedModel(name: string, changes: Partial<StoredModel> = {}): StoredModel {
  return {
    name,
    source: `hf:someone/${name}`,
    path: `/models/${name}.gguf`,
    bytes: 1_000_000,
    digest: '0123',
    license: 'apache-2.0',
    pulledAt: '2026-01-02T03:04:05Z',
    files: [{ path: `${name}.gguf`, size: 1_000_000, sha256: '0123' }],
    ...changes,
  };
}

export class FakeStore implements ModelStore {
  readonly root = '/store';
  readonly pulled: string[] = [];
  readonly #models: StoredModel[];

  constructor(models: readonly StoredModel[]) {
    this.#models = [...models];
  }

  list(): Promise<StoredModel[]> {
    return Promise.resolve(this.#models);
  }

  find(name: string): Promise<StoredModel | undefined> {
    return Promise.resolve(this.#models.find((model) => model.name === name));
  }

  copy(name: string, to: string): Promise<StoredModel> {
    const model = this.#models.find((one) => one.name === name);
    if (!model) throw new NotFoundError(`no ${name}`);
    this.#models.push({ ...model, name: to });
    return Promise.resolve(this.#models.at(-1)!);
  }

  remove(name: string): Promise<{ freedBytes: number }> {
    const at = this.#models.findIndex((model) => model.name === name);
    if (at < 0) throw new NotFoundError(`no ${name}`);
    return Promise.resolve({ freedBytes: this.#models.splice(at, 1)[0]?.bytes ?? 0 });
  }

  pull(source: string, options: PullOptions): Promise<StoredModel> {
    this.pulled.push(source);
    const progress = { file: 'model.gguf', totalBytes: 1_000_000, fileIndex: 0, fileCount: 1 };
    options.onProgress?.({ ...progress, phase: 'download', receivedBytes: 500_000 });
    options.onProgress?.({ ...progress, phase: 'done', receivedBytes: 1_000_000 });
    const model = installedModel(options.name ?? source.replace(/^.*[:/]/, ''), { source });
    this.#models.push(model);
    return Promise.resolve(model);
  }

  readonly defaultModel = {
    name: 'tiny',
    pull: (options: PullOptions) => this.pull('hf:someone/tiny', { ...options, name: 'tiny' }),
  };
}

export interface FakeOptions {
  readonly models?: readonly StoredModel[];
  readonly createModel?: (name: string) => LanguageModel;
}

export interface FakeServices extends Services {
  readonly store: FakeStore;
  /** Paths of models that were loaded, and names of those disposed. */
  readonly opened: string[];
  readonly disposed: string[];
  readonly served: ServeOptions[];
  /** Why its server is not ready. */
  readonly notReady: ReadonlySet<string>;
  /** What was allowed when connections were forbidden. */
  readonly forbidden: (readonly string[])[];
}

export function createFakeServices(options: FakeOptions = {}): FakeServices {
  const store = new FakeStore(options.models ?? [installedModel('tiny')]);
  const opened: string[] = [];
  const disposed: string[] = [];
  const served: ServeOptions[] = [];
  const forbidden: (readonly string[])[] = [];
  const notReady = new Set<string>();
  return {
    notReady,
    store,
    opened,
    disposed,
    served,
    forbidden,
    openStore: () => Promise.resolve(store),
    openLanguageModel: (path, { name = 'stub' }) => {
      opened.push(path);
      const model = options.createModel?.(name) ?? createStubModel({ name });
      return Promise.resolve({
        ...model,
        dispose: () => {
          disposed.push(name);
          return model.dispose();
        },
      });
    },
    openEmbeddingModel: (path, { name = 'stub', pooling = 'mean' }) => {
      opened.push(path);
      return Promise.resolve(
        createStubEmbeddingModel({ name, pooling, onDispose: () => disposed.push(name) }),
      );
    },
    describeModel: (path, { name = 'stub', availableBytes = Infinity }) => {
      const memoryBytes = 1000;
      if (memoryBytes > availableBytes)
        return Promise.reject(new CapacityError(`${name} takes ${memoryBytes} bytes of ${availableBytes}`));
      return Promise.resolve(
        path.includes('embed')
          ? { kind: 'embedding', info: createStubEmbeddingModel({ name }).info, memoryBytes }
          : { kind: 'language', info: createStubModel({ name }).info, memoryBytes },
      );
    },
    receipts: () => createServices().receipts(),
    openTracing: (given) => createServices().openTracing(given),
    readRoutes: (file) => createServices().readRoutes(file),
    readMcpServers: (given) => createServices().readMcpServers(given),
    forbidEgress: (allowed) => {
      forbidden.push(allowed);
      return Promise.resolve();
    },
    createModelPool: (catalog, poolOptions) => Promise.resolve(new ModelPool(catalog, poolOptions)),
    makesVectors: (path) => Promise.resolve(path.includes('embed')),
    architectures: () =>
      Promise.resolve([
        {
          name: 'llama',
          huggingFace: ['llama', 'mistral'],
          gguf: ['llama'],
          variants: ['a', 'b'],
          encoder: false,
        },
        { name: 'bert', huggingFace: ['bert'], gguf: [], variants: ['c'], encoder: true },
      ]),
    inspect: () => Promise.reject(new NotFoundError('there is no file behind this store')),
    cpuReport: () => Promise.resolve({ available: true, level: 'avx2', threads: 2 }),
    openRecords: () => Promise.reject(new NotFoundError('nothing is kept here')),
    administration: async (records) => (await import('@steelyard/server')).administration(records),
    hubUrl: () => Promise.resolve('http://127.0.0.1:9'),
    createServer: (serveOptions) => {
      served.push(serveOptions);
      const port = serveOptions.port ?? 0;
      return Promise.resolve({
        app: undefined as never,
        listen: () =>
          Promise.resolve({ url: `http://127.0.0.1:${port}`, host: '127.0.0.1', port, needsKey: false }),
        notReady: (reason) => {
          notReady.add(reason);
          return () => void notReady.delete(reason);
        },
        mcp: () => Promise.resolve(),
        close: () => Promise.resolve(),
      });
    },
  };
}
