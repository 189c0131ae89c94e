/**
 * Several models at once within a budget of memory. One that a request names is loaded if it was not; to make room the
 * models leave that nobody uses, the one used longest ago first. Where only busy ones are left, they take no more
 * requests and leave when their last answer ends, so that nobody waits for ever. A load that failed leaves nothing behind.
 */

import { CapacityError, UnsupportedError } from '@steelyard/core';
import type { EmbeddingModel, LanguageModel } from '@steelyard/engine';
import { ApiError } from '../http/api-error.ts';
import {
  findNamed,
  notServed,
  type AcquireOptions,
  type EmbeddingProvider,
  type Lease,
  type LoadedEntry,
  type ModelProvider,
  type ModelStatus,
  type Provider,
} from '../model-provider.ts';
import { Descriptions, type Catalog, type CatalogModel, type Described } from './catalog.ts';
import { Slot, type AnyModel } from './slot.ts';

export interface PoolOptions {
  /** Bytes for the weights, caches and temporaries of all models together. */
  readonly memoryBytes: number;
  /** How long a model that nobody uses stays loaded, in milliseconds; Infinity: until room is needed. Default 5 minutes. */
  readonly keepAliveMs?: number;
  /** Told about a model that was loaded, or left. */
  readonly onChange?: (change: 'loaded' | 'unloaded', name: string, memoryBytes: number) => void;
}

type Kind = Described['kind'];

const KEEP_ALIVE_MS = 5 * 60_000;
/** How long a model stays that was got without saying for how long. */
const GLANCE_MS = 10_000;
/** setTimeout takes no more. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class ModelPool {
  readonly models: ModelProvider;
  readonly embeddingModels: EmbeddingProvider;
  readonly memoryBytes: number;
  readonly #catalog: Catalog;
  readonly #options: PoolOptions;
  readonly #descriptions: Descriptions;
  /** By key: what new requests get. */
  readonly #slots = new Map<string, Slot>();
  /** Waiting for room, in order. */
  readonly #queue: Slot[] = [];
  /** All that hold memory, longest unused first. */
  readonly #holders = new Set<Slot>();
  readonly #disposals = new Set<Promise<void>>();
  #disposed = false;

  constructor(catalog: Catalog, options: PoolOptions) {
    this.#catalog = catalog;
    this.#options = options;
    this.memoryBytes = options.memoryBytes;
    this.#descriptions = new Descriptions(options.memoryBytes);
    this.models = this.#provider<LanguageModel>('language');
    this.embeddingModels = this.#provider<EmbeddingModel>('embedding');
  }

  /** Bytes that loaded models, and those on their way, were planned with. */
  get usedBytes(): number {
    return [...this.#holders].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Whatever it is made for. @throws as `acquire` of the providers */
  async describe(name: string): Promise<Described> {
    return this.#describe(await this.#find(name));
  }

  /** Ends what runs and frees all memory. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    for (const slot of this.#queue.splice(0)) slot.failed(new ApiError(503, 'The server is closing.'));
    for (const slot of [...this.#holders]) this.#leave(slot, true);
    await Promise.all([...this.#holders].map(({ ready }) => ready.catch(() => undefined)));
    await Promise.all(this.#disposals);
  }

  #provider<Model extends AnyModel>(kind: Kind): Provider<Model> {
    return {
      list: () => this.#list(kind),
      acquire: (name, options) => this.#acquire<Model>(kind, name, options),
      get: async (name) => {
        const { model, release } = await this.#acquire<Model>(kind, name, {});
        setTimeout(release, GLANCE_MS).unref();
        return model;
      },
      loaded: () => this.#loaded<Model>(kind),
      status: (name) => this.#status(name),
    };
  }

  async #list<Model extends AnyModel>(kind: Kind): Promise<Model['info'][]> {
    const infos: Model['info'][] = [];
    for (const entry of await this.#catalog.list()) {
      const described = await this.#descriptions.forList(entry);
      if (described?.kind === kind) infos.push(described.info);
    }
    return infos;
  }

  #loaded<Model extends AnyModel>(kind: Kind): LoadedEntry<Model>[] {
    return [...this.#holders]
      .filter(({ state, described }) => state === 'loaded' && described.kind === kind)
      .map(({ model, bytes, users, lastUsedAt, expiresAt }) => ({
        model: model as Model,
        memoryBytes: bytes,
        users,
        lastUsedAt,
        expiresAt,
      }));
  }

  #status(name: string): ModelStatus {
    const slot = [...this.#slots.values()].find(({ entry }) => entry.name === name);
    const memoryBytes = slot?.bytes ?? this.#descriptions.bytesOf(name);
    const known = memoryBytes === undefined ? {} : { memoryBytes };
    if (!slot) return { state: 'available', ...known };
    return { state: slot.state === 'loaded' ? 'loaded' : 'loading', ...known };
  }

  async #find(name: string): Promise<CatalogModel> {
    const all = await this.#catalog.list();
    const entry = findNamed(all, name, (one) => one.name);
    if (entry) return entry;
    throw notServed(
      name,
      all.map((one) => one.name),
    );
  }

  /** @throws ApiError 400 with numbers for a model that fits by no means */
  async #describe(entry: CatalogModel): Promise<Described> {
    try {
      return await this.#descriptions.of(entry);
    } catch (error) {
      if (!(error instanceof CapacityError)) throw error;
      throw new ApiError(
        400,
        `The model '${entry.name}' does not fit in this server's memory: ${error.message}.`,
        {
          param: 'model',
          code: 'model_too_large',
          cause: error,
        },
      );
    }
  }

  async #acquire<Model extends AnyModel>(
    kind: Kind,
    name: string,
    { signal, keepAliveMs }: AcquireOptions = {},
  ): Promise<Lease<Model>> {
    const entry = await this.#find(name);
    const described = await this.#describe(entry);
    if (described.kind !== kind) throw wrongKind(entry.name, described.kind);
    if (this.#disposed) throw new ApiError(503, 'The server is closing.', { code: 'server_shutting_down' });
    const slot = this.#slots.get(entry.key) ?? this.#enter(entry, described);
    const release = this.#use(slot);
    if (keepAliveMs !== undefined) slot.keepAliveMs = keepAliveMs;
    try {
      this.#makeRoom();
      return { model: (await orAborted(slot.ready, signal)) as Model, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  #enter(entry: CatalogModel, described: Described): Slot {
    const keepAliveMs = entry.resident ? Infinity : (this.#options.keepAliveMs ?? KEEP_ALIVE_MS);
    const slot = new Slot(entry, described, keepAliveMs);
    this.#slots.set(entry.key, slot);
    this.#queue.push(slot);
    return slot;
  }

  #use(slot: Slot): () => void {
    slot.users++;
    clearTimeout(slot.timer);
    slot.expiresAt = Infinity;
    let released = false;
    return () => {
      if (released) return;
      released = true;
      slot.users--;
      slot.lastUsedAt = Date.now();
      if (this.#holders.delete(slot)) this.#holders.add(slot);
      if (slot.users === 0) this.#idle(slot);
    };
  }

  /** Nobody uses it or waits for it. */
  #idle(slot: Slot): void {
    const at = this.#queue.indexOf(slot);
    if (at >= 0) {
      this.#queue.splice(at, 1);
      this.#forget(slot);
    } else if (slot.state === 'loaded') {
      slot.expiresAt = Date.now() + slot.keepAliveMs;
      if (slot.keepAliveMs <= LONGEST_TIMER_MS) {
        slot.timer = setTimeout(() => this.#leave(slot), slot.keepAliveMs);
        slot.timer.unref();
      }
    } else if (slot.state === 'leaving') this.#unload(slot);
    this.#makeRoom();
  }

  /** Loads those that wait, in order, as far as there is room or room can be made. */
  #makeRoom(): void {
    for (let next = this.#queue[0]; next; next = this.#queue[0]) {
      const missing = this.usedBytes + next.bytes - this.memoryBytes;
      if (missing > 0) return this.#free(missing);
      this.#queue.shift();
      this.#holders.add(next);
      void this.#load(next);
    }
  }

  /** Sends away what is idle, longest unused first, then what is busy, until so many bytes will be free. */
  #free(missing: number): void {
    const leaving = [...this.#holders].filter(({ state }) => state === 'leaving');
    let left = missing - leaving.reduce((sum, { bytes }) => sum + bytes, 0);
    const staying = [...this.#holders]
      .filter(({ state }) => state === 'loaded')
      .sort((a, b) => Number(b.idle) - Number(a.idle));
    for (const slot of staying) {
      if (left <= 0) return;
      left -= slot.bytes;
      this.#leave(slot);
    }
  }

  async #load(slot: Slot): Promise<void> {
    slot.state = 'loading';
    try {
      const model = await slot.entry.open(slot.bytes);
      slot.loaded(model);
      this.#options.onChange?.('loaded', slot.entry.name, slot.bytes);
      if (this.#disposed) this.#leave(slot, true);
      else if (slot.users === 0) this.#idle(slot);
    } catch (error) {
      this.#holders.delete(slot);
      this.#forget(slot);
      slot.failed(error);
    }
    this.#makeRoom();
  }

  /** Takes no more requests; goes when the last has ended. @param now also while it is used */
  #leave(slot: Slot, now = false): void {
    if (slot.state !== 'loaded') return;
    slot.state = 'leaving';
    clearTimeout(slot.timer);
    this.#forget(slot);
    if (slot.users === 0 || now) this.#unload(slot);
  }

  #unload(slot: Slot): void {
    const { model } = slot;
    if (!model) return;
    slot.model = undefined;
    const gone = model.dispose().then(() => {
      this.#holders.delete(slot);
      this.#disposals.delete(gone);
      this.#options.onChange?.('unloaded', slot.entry.name, slot.bytes);
      this.#makeRoom();
    });
    this.#disposals.add(gone);
  }

  #forget(slot: Slot): void {
    if (this.#slots.get(slot.entry.key) === slot) this.#slots.delete(slot.entry.key);
  }
}

function wrongKind(name: string, kind: Kind): UnsupportedError {
  return new UnsupportedError(
    kind === 'embedding'
      ? `model '${name}' makes vectors and writes no text; use it at /v1/embeddings or /v1/rerank`
      : `model '${name}' writes text and makes no vectors; use it at /v1/chat/completions`,
  );
}

/** @throws the signal's reason when it aborts first */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  signal.throwIfAborted();
  let abort!: () => void;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
  });
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
