/** What a pool of models is filled from: names, and for each how to look at it and how to load it. */

import type { EmbeddingInfo, EmbeddingModel, LanguageModel, ModelInfo } from '@steelyard/engine';

/** `language` models write, `embedding` models make vectors. */
export type Described =
  | { readonly kind: 'language'; readonly info: ModelInfo; readonly memoryBytes: number }
  | { readonly kind: 'embedding'; readonly info: EmbeddingInfo; readonly memoryBytes: number };

export interface CatalogModel {
  /** By which requests name it. */
  readonly name: string;
  /** Changes when its files do. */
  readonly key: string;
  /** Stays loaded until another model needs its memory. */
  readonly resident?: boolean;
  /**
   * Looks at its files without loading them.
   * @throws CapacityError with numbers when it does not fit in so many bytes
   */
  describe(availableBytes: number): Described | Promise<Described>;
  /** Loads it. The pool disposes it. @param memoryBytes as it was described with */
  open(memoryBytes: number): Promise<LanguageModel | EmbeddingModel>;
}

export interface Catalog {
  list(): readonly CatalogModel[] | Promise<readonly CatalogModel[]>;
}

/** Keeps what was found out about models whose files are as they were. */
export class Descriptions {
  readonly #availableBytes: number;
  readonly #known = new Map<string, Described>();
  /** Keys of those that could not be described. */
  readonly #failed = new Set<string>();

  constructor(availableBytes: number) {
    this.#availableBytes = availableBytes;
  }

  /** @throws as `describe`; the next call looks again */
  async of(model: CatalogModel): Promise<Described> {
    const known = this.#known.get(model.key);
    if (known) return known;
    try {
      const described = await model.describe(this.#availableBytes);
      this.#known.set(model.key, described);
      return described;
    } catch (error) {
      this.#failed.add(model.key);
      throw error;
    }
  }

  /** The same for a list: undefined for what cannot be used, without looking twice. */
  async forList(model: CatalogModel): Promise<Described | undefined> {
    if (this.#failed.has(model.key)) return this.#known.get(model.key);
    return this.of(model).catch(() => undefined);
  }

  /** Absent when nobody asked yet. */
  bytesOf(name: string): number | undefined {
    return [...this.#known.values()].find(({ info }) => info.name === name)?.memoryBytes;
  }
}
