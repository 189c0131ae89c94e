/** Remembers which models a provider has handed out, for providers that do not say what is loaded. */

import type { LanguageModel } from '@steelyard/engine';
import type { ModelProvider } from './model-provider.ts';

/** @returns the provider to use from now on, and the models in memory as far as known */
export function trackProvider(provider: ModelProvider): {
  provider: ModelProvider;
  loaded: () => readonly LanguageModel[];
} {
  if (provider.loaded) return { provider, loaded: () => provider.loaded!() };
  const seen = new Map<string, LanguageModel>();
  return {
    provider: {
      list: () => provider.list(),
      async get(name) {
        const model = await provider.get(name);
        seen.set(model.info.name, model);
        return model;
      },
    },
    loaded: () => [...seen.values()],
  };
}
