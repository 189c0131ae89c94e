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

/** Offers models that are loaded already. The caller still disposes them. */
export function providerOf(models: readonly LanguageModel[]): ModelProvider {
  const byName = new Map(models.map((model) => [model.info.name, model]));
  return {
    list: () => models.map((model) => model.info),
    get(name) {
      const model = byName.get(name);
      if (model) return model;
      const known = [...byName.keys()].map((key) => `'${key}'`).join(', ') || 'none';
      throw new NotFoundError(`model '${name}' is not served here; models served: ${known}`);
    },
    loaded: () => models,
  };
}
