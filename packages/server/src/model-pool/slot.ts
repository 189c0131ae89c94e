/** One model's place in a pool, from the first request that names it until its memory is free again. */

import type { EmbeddingModel, LanguageModel } from '@steelyard/engine';
import type { CatalogModel, Described } from './catalog.ts';

export type AnyModel = LanguageModel | EmbeddingModel;

export class Slot {
  readonly entry: CatalogModel;
  readonly described: Described;
  /** Settles when it is loaded, or cannot be. */
  readonly ready: Promise<AnyModel>;
  state: 'queued' | 'loading' | 'loaded' | 'leaving' = 'queued';
  /** Those who use it or wait for it. */
  users = 0;
  lastUsedAt = Date.now();
  expiresAt = Infinity;
  keepAliveMs: number;
  model: AnyModel | undefined;
  timer: NodeJS.Timeout | undefined;
  #settle!: { resolve(model: AnyModel): void; reject(error: unknown): void };

  constructor(entry: CatalogModel, described: Described, keepAliveMs: number) {
    this.entry = entry;
    this.described = described;
    this.keepAliveMs = keepAliveMs;
    this.ready = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    // Those who wait hear of it; where nobody does any more, nobody must.
    this.ready.catch(() => undefined);
  }

  get bytes(): number {
    return this.described.memoryBytes;
  }

  get idle(): boolean {
    return this.state === 'loaded' && this.users === 0;
  }

  loaded(model: AnyModel): void {
    this.model = model;
    this.state = 'loaded';
    this.#settle.resolve(model);
  }

  failed(error: unknown): void {
    this.#settle.reject(error);
  }
}
