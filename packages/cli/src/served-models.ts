/** The models that a server offers: those named, which are loaded at once and stay, or the default and all that are stored. */

import { totalmem } from 'node:os';
import type { Catalog, CatalogModel, ModelPool } from '@steelyard/server';
import type { CommandContext } from './context.ts';
import { UsageError } from './errors.ts';
import { findModel, loadFound, type FoundModel } from './models-by-name.ts';
import type { ModelOptions } from './services.ts';

export interface ServedOptions {
  /** Of names or sources; empty: the default model, and whatever is stored. */
  readonly names: readonly string[];
  /** Those of each model; `memoryBytes` is one model's part. */
  readonly model: ModelOptions;
  /** Bytes for all together. */
  readonly memoryBytes?: number | undefined;
  readonly keepAliveMs?: number | undefined;
}

export interface ServedModels {
  readonly pool: ModelPool;
  /** Names of those that are loaded at once. */
  readonly resident: readonly string[];
}

/** Share of the memory that is free at the start which models may take where nobody says how much. */
const MEMORY_SHARE = 0.75;

/**
 * Nothing is loaded yet.
 * @throws NotFoundError, NetworkError for a name that is nothing; UsageError for two models of one name
 */
export async function findServedModels(
  options: ServedOptions,
  context: CommandContext,
): Promise<ServedModels> {
  const { names, memoryBytes, keepAliveMs } = options;
  const found: FoundModel[] = [];
  for (const name of names.length > 0 ? names : [undefined]) {
    const model = await findModel(name, context);
    if (found.some((other) => other.name === model.name)) {
      throw new UsageError(`two models are called '${model.name}'; requests could not tell them apart`);
    }
    found.push(model);
  }
  const resident = found.map(({ name }) => name);
  const entryOf = (model: FoundModel) =>
    catalogModel(model, resident.includes(model.name), options.model, context);
  const catalog: Catalog =
    names.length > 0 ? { list: () => found.map(entryOf) } : { list: () => stored(entryOf, context) };
  const pool = await context.services.createModelPool(catalog, {
    memoryBytes: memoryBytes ?? Math.floor(freeMemory() * MEMORY_SHARE),
    ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
  });
  return { pool, resident };
}

async function stored(
  entryOf: (model: FoundModel) => CatalogModel,
  { services }: CommandContext,
): Promise<CatalogModel[]> {
  const store = await services.openStore();
  return (await store.list()).map((installed) =>
    entryOf({ name: installed.name, path: installed.path, installed }),
  );
}

function catalogModel(
  model: FoundModel,
  resident: boolean,
  options: ModelOptions,
  context: CommandContext,
): CatalogModel {
  const { services } = context;
  const { name, path, installed } = model;
  return {
    name,
    key: `${name}:${installed?.digest ?? path}`,
    resident,
    describe(availableBytes) {
      const { memoryBytes } = options;
      const own = memoryBytes === undefined ? {} : { memoryBytes: Math.min(memoryBytes, availableBytes) };
      return services.describeModel(path, { ...options, ...own, name, availableBytes });
    },
    open: (memoryBytes) =>
      loadFound(model, context, async (_, common) => {
        const asked = { ...common, ...options, name, memoryBytes };
        return (await services.makesVectors(path))
          ? services.openEmbeddingModel(path, asked)
          : services.openLanguageModel(path, asked);
      }),
  };
}

/** Bytes; pages of files that can be dropped count as free. */
function freeMemory(): number {
  // Not in every supported Node.
  const { availableMemory } = process as { availableMemory?: () => number };
  return availableMemory?.call(process) ?? totalmem();
}
