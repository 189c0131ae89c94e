/** From a path to a model that answers. */

import { basename } from 'node:path';
import type { ModelFile } from '@steelyard/formats';
import { openModel } from '@steelyard/formats/node';
import type { DType } from '@steelyard/graph';
import { loadModel, type LoadedModel } from '@steelyard/models';
import {
  chatTemplateFromGguf,
  chatTemplateFromJson,
  tokenizerFromGguf,
  tokenizerFromJson,
  type ChatTemplate,
  type Tokenizer,
} from '@steelyard/text';
import { FormatError } from '@steelyard/core';
import { Engine } from '../engine.ts';
import { createLanguageModel } from '../language-model.ts';
import type { LanguageModel } from '../types.ts';
import { selectBackend, type BackendName } from './devices.ts';

const PAGE_SIZE = 32;

export interface OpenOptions {
  /** Default auto: the best that works here. */
  readonly backend?: BackendName | 'auto';
  /** Name in `info`; default the file's. */
  readonly name?: string;
  /** Bytes for weights, cache and temporaries; default: as much as one context of at most 16k tokens needs. */
  readonly memoryBytes?: number;
  /** Longest sequence, tokens; default the model's own. */
  readonly contextLength?: number;
  /** Storage format of the KV cache; default the backend's first. */
  readonly kvDType?: DType;
  /** Tokens per step. Default 512. */
  readonly maxBatchTokens?: number;
  /** Sequences that run at once. Default 64. */
  readonly maxSequences?: number;
  /** Default: the machine's cores. */
  readonly threads?: number;
  /** Hears what a person should know: a slower backend, a shorter context. */
  readonly onNotice?: (notice: string) => void;
}

/**
 * Opens a GGUF file, a safetensors file or a folder of either, and loads it.
 * @throws NotFoundError, FormatError, UnsupportedError, CapacityError
 */
export async function openLanguageModel(path: string, options: OpenOptions = {}): Promise<LanguageModel> {
  const file = openModel(path);
  try {
    const { tokenizer, template } = readText(file);
    const backend = selectBackend(options.backend ?? 'auto', threadsOf(options), options.onNotice);
    const kvDType = options.kvDType ?? (backend.stateDTypes[0] as DType);
    const model = loadModel(file, { pageSize: PAGE_SIZE, kvDType });
    const engine = await Engine.create(model, tokenizer, backend, {
      ...options,
      pageSize: PAGE_SIZE,
      kvDType,
    });
    const info = {
      name: options.name ?? basename(path),
      architecture: model.config.architecture,
      parameterCount: model.parameterCount,
      quantisation: mainDType(model),
      contextLength: engine.plan.contextLength,
      vocabSize: model.config.vocabSize,
      backend: backend.name,
      hasChatTemplate: template !== undefined,
    };
    const onDispose = (): void => {
      backend.dispose();
      file.close();
    };
    return createLanguageModel({ info, tokenizer, template, engine, onDispose });
  } catch (error) {
    file.close();
    throw error;
  }
}

function threadsOf({ threads }: OpenOptions): { threads?: number } {
  return threads === undefined ? {} : { threads };
}

/** @throws FormatError when a folder has no tokenizer.json */
function readText(file: ModelFile): { tokenizer: Tokenizer; template: ChatTemplate | undefined } {
  if (file.format === 'gguf') {
    return { tokenizer: tokenizerFromGguf(file.metadata), template: chatTemplateFromGguf(file.metadata) };
  }
  if (!file.tokenizer) {
    throw new FormatError(
      `${file.name}: has no tokenizer.json beside the weights; pull the whole repository`,
    );
  }
  return {
    tokenizer: tokenizerFromJson(file.tokenizer, file.tokenizerConfig, file.generationConfig),
    template: chatTemplateFromJson(file.tokenizerConfig ?? {}, file.chatTemplate),
  };
}

/** The dtype that holds most of the weights' bytes. */
function mainDType(model: LoadedModel): string {
  const bytes = new Map<string, number>();
  for (const { dtype, byteLength } of model.weights.values())
    bytes.set(dtype, (bytes.get(dtype) ?? 0) + byteLength);
  return [...bytes].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 'f32';
}
