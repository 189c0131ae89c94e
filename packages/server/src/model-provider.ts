/** Where the server gets models from: what is offered, and a loaded model by name. Loading is the provider's business. */

import { NotFoundError } from '@steelyard/core';
import type { EmbeddingModel, LanguageModel } from '@steelyard/engine';

interface Named {
  readonly info: { readonly name: string };
}

/** A model that stays loaded until it is given back. */
export interface Lease<Model> {
  readonly model: Model;
  /** Harmless when repeated. */
  readonly release: () => void;
}

export interface AcquireOptions {
  /** Gives the wait up. */
  readonly signal?: AbortSignal;
  /** How long the model stays loaded once nobody uses it, in milliseconds, from now on; Infinity: for good. */
  readonly keepAliveMs?: number;
}

/** A model in memory. */
export interface LoadedEntry<Model> {
  readonly model: Model;
  /** Bytes that it was planned with. */
  readonly memoryBytes: number;
  /** Leases not given back. */
  readonly users: number;
  /** Unix milliseconds. */
  readonly lastUsedAt: number;
  /** Unix milliseconds from which on it may be gone; Infinity: not by time. */
  readonly expiresAt: number;
}

/** `available`: loaded when a request names it. */
export type ModelState = 'available' | 'loading' | 'loaded';

export interface ModelStatus {
  readonly state: ModelState;
  /** Bytes that it takes, or would take, in memory; absent where that is not known. */
  readonly memoryBytes?: number;
}

export interface Provider<Model extends Named> {
  /** Models that requests may name. */
  list(): readonly Model['info'][] | Promise<readonly Model['info'][]>;
  /**
   * The model, loaded now if it was not; the provider keeps ownership and disposes it. It stays for as long as a short
   * question takes (a count of tokens); what runs longer acquires it.
   * @throws NotFoundError when no model has this name
   */
  get(name: string): Model | Promise<Model>;
  /** The model until it is given back. Default: what `get` gives stays loaded. @throws as `get` */
  acquire?(name: string, options?: AcquireOptions): Promise<Lease<Model>>;
  /** Models in memory now. */
  loaded(): readonly LoadedEntry<Model>[];
  /** How it stands with a model listed; default loaded. */
  status?(name: string): ModelStatus;
}

/** Of models that write. */
export type ModelProvider = Provider<LanguageModel>;
/** Of models that turn texts into vectors. */
export type EmbeddingProvider = Provider<EmbeddingModel>;

/** @throws as the provider's `get` */
export async function acquireModel<Model extends Named>(
  provider: Provider<Model>,
  name: string,
  options?: AcquireOptions,
): Promise<Lease<Model>> {
  return provider.acquire
    ? provider.acquire(name, options)
    : { model: await provider.get(name), release: () => undefined };
}

/**
 * The one that bears the name, else the only one that bears it in other capitals, else the only one whose name goes on
 * from it with what tells files of one model apart (`.Q4_1`, `:latest`).
 */
export function findNamed<T>(all: readonly T[], name: string, nameOf: (one: T) => string): T | undefined {
  const exact = all.find((one) => nameOf(one) === name);
  const asked = name.toLowerCase();
  const only = (fits: (known: string) => boolean) => {
    const alike = all.filter((one) => fits(nameOf(one).toLowerCase()));
    return alike.length === 1 ? alike[0] : undefined;
  };
  return (
    exact ??
    only((known) => known === asked) ??
    only((known) => known.startsWith(`${asked}.`) || known.startsWith(`${asked}:`))
  );
}

/** Offers models that are loaded already. The caller still disposes them. */
export function providerOf<Model extends Named>(models: readonly Model[]): Provider<Model> {
  return {
    list: () => models.map((model) => model.info),
    get(name) {
      const model = findNamed(models, name, ({ info }) => info.name);
      if (model) return model;
      throw notServed(
        name,
        models.map(({ info }) => info.name),
      );
    },
    loaded: () => models.map((model) => alwaysLoaded(model)),
  };
}

/** The entry of a model that does not come and go. */
export function alwaysLoaded<Model>(model: Model): LoadedEntry<Model> {
  return { model, memoryBytes: 0, users: 0, lastUsedAt: Date.now(), expiresAt: Infinity };
}

/** @param known names of models that are served instead */
export function notServed(name: string, known: readonly string[]): NotFoundError {
  const names = known.map((one) => `'${one}'`).join(', ') || 'none';
  return new NotFoundError(`model '${name}' is not served here; models served: ${names}`);
}
