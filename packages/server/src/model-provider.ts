/** Where the server gets models from: what is offered, and a loaded model by name. Loading is the provider's business. */

import { NotFoundError } from '@steelyard/core';
import type { EmbeddingModel, LanguageModel } from '@steelyard/engine';

interface Named {
  readonly info: { readonly name: string };
}

export interface Provider<Model extends Named> {
  /** Models that requests may name. */
  list(): readonly Model['info'][] | Promise<readonly Model['info'][]>;
  /**
   * The model, loaded now if it was not; the provider keeps ownership and disposes it.
   * @throws NotFoundError when no model has this name
   */
  get(name: string): Model | Promise<Model>;
  /** Models in memory now, for `/metrics`. Default: those that `get` has handed out. */
  loaded?(): readonly Model[];
}

/** Of models that write. */
export type ModelProvider = Provider<LanguageModel>;
/** Of models that turn texts into vectors. */
export type EmbeddingProvider = Provider<EmbeddingModel>;

/** The one that bears the name, else the only one that bears it in other capitals. */
export function findNamed<T>(all: readonly T[], name: string, nameOf: (one: T) => string): T | undefined {
  const exact = all.find((one) => nameOf(one) === name);
  const alike = all.filter((one) => nameOf(one).toLowerCase() === name.toLowerCase());
  return exact ?? (alike.length === 1 ? alike[0] : undefined);
}

/** Offers models that are loaded already. The caller still disposes them. */
export function providerOf<Model extends Named>(models: readonly Model[]): Provider<Model> {
  return {
    list: () => models.map((model) => model.info),
    get(name) {
      const model = findNamed(models, name, ({ info }) => info.name);
      if (model) return model;
      const known = models.map(({ info }) => `'${info.name}'`).join(', ') || 'none';
      throw new NotFoundError(`model '${name}' is not served here; models served: ${known}`);
    },
    loaded: () => models,
  };
}
