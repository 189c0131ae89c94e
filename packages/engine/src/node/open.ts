/** From a path to a model that answers. */

import { freemem } from 'node:os';
import { basename } from 'node:path';
import { UnsupportedError } from '@steelyard/core';
import type { ModelFile } from '@steelyard/formats';
import { openModel } from '@steelyard/formats/node';
import type { Backend, DType } from '@steelyard/graph';
import { loadModel, type LoadedModel } from '@steelyard/models';
import { Engine } from '../engine.ts';
import { createLanguageModel } from '../language-model.ts';
import type { LanguageModel, ModelInfo } from '../types.ts';
import { selectBackend, type BackendName } from './devices.ts';
import { readText, type ModelText } from './read-text.ts';

export interface OpenOptions {
  /** Default auto: the best that works here. */
  readonly backend?: BackendName | 'auto';
  /** Name in `info`; default the file's. */
  readonly name?: string;
  /** Bytes for weights, cache and temporaries; default: an ordinary cache, within what the machine can spare. */
  readonly memoryBytes?: number;
  /**
   * Experts need not fit in that: they stay in the file and are read as tokens choose them, which is slower. Default
   * false.
   */
  readonly expertsOnDisk?: boolean;
  /** Longest sequence, tokens; default the model's own, as far as the cache holds it. */
  readonly contextLength?: number;
  /** Storage format of the KV cache; default the backend's first. */
  readonly kvDType?: DType;
  /** Tokens per step. Default 512. */
  readonly maxBatchTokens?: number;
  /** Sequences that run at once. Default 32. */
  readonly maxSequences?: number;
  /** Default: the machine's cores. */
  readonly threads?: number;
  /** Hears what a person should know: a slower backend, a shorter context. */
  readonly onNotice?: (notice: string) => void;
}

/** Tokens per page of the KV cache. */
const PAGE_SIZE = 32;
/** Share of the memory that is free now which a model may take where no budget is given. */
const SPARE_SHARE = 0.8;

/**
 * Opens a GGUF file, a safetensors file or a folder of either, and loads it. Dispose the result.
 * @throws NotFoundError, FormatError, UnsupportedError, CapacityError
 */
export async function openLanguageModel(path: string, options: OpenOptions = {}): Promise<LanguageModel> {
  const file = openModel(path);
  let backend: Backend | undefined;
  try {
    const text = readText(file);
    const { threads } = options;
    backend = selectBackend(
      options.backend ?? 'auto',
      threads === undefined ? {} : { threads },
      options.onNotice,
    );
    return await load(file, text, backend, { ...options, name: options.name ?? basename(path) });
  } catch (error) {
    backend?.dispose();
    file.close();
    throw error;
  }
}

async function load(
  file: ModelFile,
  { tokenizer, template }: ModelText,
  backend: Backend,
  options: OpenOptions & { readonly name: string },
): Promise<LanguageModel> {
  const kvDType = cacheFormat(backend, options.kvDType);
  const { contextLength: wanted } = options;
  const limit = wanted === undefined ? {} : { contextLength: wanted };
  const model = loadModel(file, { pageSize: PAGE_SIZE, kvDType, ...limit });
  const engine = await Engine.create(model, tokenizer, backend, {
    ...options,
    availableBytes: Math.floor(availableBytes() * SPARE_SHARE),
    pageSize: PAGE_SIZE,
    kvDType,
  });
  const { contextLength } = engine.plan;
  if (options.contextLength === undefined && contextLength < model.config.contextLength) {
    options.onNotice?.(
      `the context is ${contextLength} tokens of the model's ${model.config.contextLength}; a larger contextLength takes ` +
        `${engine.plan.kvBytesPerToken} bytes of memory per token`,
    );
  }
  const info = describe(model, options.name, backend, contextLength, template !== undefined);
  const onDispose = (): void => {
    backend.dispose();
    file.close();
  };
  return createLanguageModel({ info, tokenizer, template, engine, onDispose });
}

/** @throws UnsupportedError when the backend cannot keep a cache in that format */
function cacheFormat(backend: Backend, wanted: DType | undefined): DType {
  const [first] = backend.stateDTypes;
  const format = wanted ?? first;
  if (format !== undefined && backend.stateDTypes.includes(format)) return format;
  throw new UnsupportedError(
    `the ${backend.name} backend keeps no cache in ${format}; choose one of ${backend.stateDTypes.join(', ')}`,
  );
}

/** Bytes that the machine, or the container, can give now; pages of files that can be dropped count as free. */
function availableBytes(): number {
  // Not in every supported Node.
  const { availableMemory } = process as { availableMemory?: () => number };
  return availableMemory?.call(process) ?? freemem();
}

function describe(
  model: LoadedModel,
  name: string,
  backend: Backend,
  contextLength: number,
  hasChatTemplate: boolean,
): ModelInfo {
  const { config, parameterCount } = model;
  return {
    name,
    architecture: config.architecture,
    parameterCount,
    quantisation: mainDType(model),
    contextLength,
    vocabSize: config.vocabSize,
    backend: backend.name,
    hasChatTemplate,
  };
}

/** The dtype that holds most of the weights' bytes. */
function mainDType(model: LoadedModel): string {
  const bytes = new Map<string, number>();
  for (const { dtype, byteLength } of model.weights.values()) {
    bytes.set(dtype, (bytes.get(dtype) ?? 0) + byteLength);
  }
  return [...bytes].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 'f32';
}
