/** From a path to a model that turns texts into vectors. */

import { UnsupportedError } from '@steelyard/core';
import type { ModelFile } from '@steelyard/formats';
import type { Backend } from '@steelyard/graph';
import { loadModel, ranksTexts, type LoadedModel, type Pooling } from '@steelyard/models';
import { EmbeddingEngine, type EmbeddingEngineOptions } from '../embeddings/embedding-engine.ts';
import { createEmbeddingModel } from '../embeddings/embedding-model.ts';
import type { EmbeddingInfo, EmbeddingModel } from '../embeddings/types.ts';
import { meanwhile } from '../loaded-step.ts';
import { originOf } from './model-origin.ts';
import {
  cacheFormat,
  mainDType,
  openWith,
  PAGE_SIZE,
  spareBytes,
  type CommonOptions,
  type Opened,
} from './open-common.ts';

export interface OpenEmbeddingOptions extends CommonOptions {
  /** Default what the file says. */
  readonly pooling?: Pooling;
  /** Bytes for weights, cache and temporaries; default what the machine can spare. */
  readonly memoryBytes?: number;
  /** Longest text, tokens; default the model's own, and 8192 for decoders. */
  readonly contextLength?: number;
  /** Tokens per step. Default 512, and at least the longest text of an encoder. */
  readonly maxBatchTokens?: number;
  /** Texts per step. Default 32. */
  readonly maxSequences?: number;
}

/**
 * Opens a GGUF file, a safetensors file or a folder of either. Dispose the result.
 * @throws NotFoundError, FormatError, CapacityError; UnsupportedError, also for a model whose file names no pooling
 */
export function openEmbeddingModel(
  path: string,
  options: OpenEmbeddingOptions = {},
): Promise<EmbeddingModel> {
  return openWith(path, options, (opened) => load(opened, options));
}

async function load(
  { file, readText, backend, name, path, close }: Opened,
  options: OpenEmbeddingOptions,
): Promise<EmbeddingModel> {
  const { model, settings } = traceForVectors(file, backend, name, options);
  const loading = EmbeddingEngine.create(model, backend, settings);
  const [engine, { tokenizer }] = await meanwhile(loading, readText);
  const { contextLength } = engine.plan;
  const info = embeddingInfo({ model, name, backend, contextLength, settings });
  const origin = originOf(path, { backend, template: undefined, digest: options.digest });
  return createEmbeddingModel({ info, tokenizer, engine, origin, onDispose: close });
}

/**
 * The graph that ends with hidden states, and what an engine of it is made with.
 * @throws UnsupportedError when neither the file nor the options say how to pool
 */
export function traceForVectors(
  file: ModelFile,
  backend: Backend,
  name: string,
  options: OpenEmbeddingOptions,
): { readonly model: LoadedModel; readonly settings: EmbeddingEngineOptions } {
  // Keys and values are kept within a step only, so that nothing is won by a smaller format.
  const kvDType = cacheFormat(backend, backend.stateDTypes.includes('f32') ? 'f32' : undefined);
  const { contextLength } = options;
  const limit = contextLength === undefined ? {} : { contextLength };
  const output = ranksTexts(file) ? 'score' : 'hidden';
  const model = loadModel(file, { pageSize: PAGE_SIZE, kvDType, output, ...limit });
  // A score is the first token's.
  const pooling = output === 'score' ? 'cls' : (options.pooling ?? model.pooling);
  if (pooling === undefined) {
    throw new UnsupportedError(
      `${name}: its files do not say how to pool its tokens to one vector, so it may not be made for that; ` +
        'name its pooling if you know it (pooling, or --pooling): mean, cls or last',
    );
  }
  const settings = {
    availableBytes: spareBytes(),
    ...options,
    pageSize: PAGE_SIZE,
    kvDType,
    pooling,
    output,
  } as const;
  return { model, settings };
}

interface EmbeddingFacts {
  readonly model: LoadedModel;
  readonly name: string;
  readonly backend: Backend;
  readonly contextLength: number;
  readonly settings: Pick<EmbeddingEngineOptions, 'pooling' | 'output'>;
}

export function embeddingInfo({ model, name, backend, settings, ...facts }: EmbeddingFacts): EmbeddingInfo {
  const { architecture, vocabSize, hiddenSize } = model.config;
  return {
    name,
    architecture,
    parameterCount: model.parameterCount,
    quantisation: mainDType(model),
    vocabSize,
    dimensions: settings.output === 'score' ? 1 : hiddenSize,
    pooling: settings.pooling,
    ...(settings.output === 'score' && { ranks: true }),
    backend: backend.name,
    ...facts,
  };
}
