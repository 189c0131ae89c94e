/** Where the server gets models from: what is offered, and a loaded model by name. Loading is the provider's business. */

import { NotFoundError } from '@steelyard/core';
import type { LanguageModel, ModelInfo } from '@steelyard/engine';

export interface ModelProvider {
  /** Models that requests may name. */
  list(): readonly ModelInfo[] | Promise<readonly ModelInfo[]>;
  /**
   * The model, loaded now if it was not; the provider keeps ownership and disposes it.
   * @throws NotFoundError when no model has this name
   */
  get(name: string): LanguageModel | Promise<LanguageModel>;
  /** Models in memory now, for `/metrics`. Default: those that `get` has handed out. */
  loaded?(): readonly LanguageModel[];
}

/** The one that bears the name, else the only one that bears it in other capitals. */
export function findNamed<T>(all: readonly T[], name: string, nameOf: (one: T) => string): T | undefined {
  const exact = all.find((one) => nameOf(one) === name);
  const alike = all.filter((one) => nameOf(one).toLowerCase() === name.toLowerCase());
  return exact ?? (alike.length === 1 ? alike[0] : undefined);
}

/** Offers models that are loaded already. The caller still disposes them. */
export function providerOf(models: readonly LanguageModel[]): ModelProvider {
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
