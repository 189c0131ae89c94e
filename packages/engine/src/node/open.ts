/** From a path to a model that answers. */

import type { ModelFile } from '@steelyard/formats';
import type { Backend, CacheDType } from '@steelyard/graph';
import { loadModel, type LoadedModel } from '@steelyard/models';
import { answerSyntax, readsToolCalls, type ChatTemplate } from '@steelyard/text';
import { Engine, type EngineOptions } from '../engine.ts';
import { createLanguageModel } from '../language-model.ts';
import type { LanguageModel, ModelInfo } from '../types.ts';
import { originOf } from './model-origin.ts';
import type { ModelText } from './read-text.ts';
import {
  cacheFormat,
  mainDType,
  openWith,
  PAGE_SIZE,
  spareBytes,
  type CommonOptions,
  type Opened,
} from './open-common.ts';

export interface OpenOptions extends CommonOptions {
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
  readonly kvDType?: CacheDType;
  /** Tokens per step. Default 512. */
  readonly maxBatchTokens?: number;
  /** Sequences that run at once. Default 32. */
  readonly maxSequences?: number;
  /** Whether likely next tokens are computed ahead where few sequences run, which changes no answer. Default true. */
  readonly speculation?: boolean;
}

/**
 * Opens a GGUF file, a safetensors file or a folder of either, and loads it. Dispose the result.
 * @throws NotFoundError, FormatError, UnsupportedError, CapacityError
 */
export function openLanguageModel(path: string, options: OpenOptions = {}): Promise<LanguageModel> {
  return openWith(path, options, (opened) => load(opened, options));
}

async function load(
  { file, readText, backend, name, path, close }: Opened,
  options: OpenOptions,
): Promise<LanguageModel> {
  const { model, settings } = traceForText(file, backend, options);
  let text: ModelText | undefined;
  const engine = await Engine.create(model, () => (text = readText()).tokenizer, backend, settings);
  const { tokenizer, template } = text!;
  const { contextLength } = engine.plan;
  if (options.contextLength === undefined && contextLength < model.config.contextLength) {
    options.onNotice?.(
      `the context is ${contextLength} tokens of the model's ${model.config.contextLength}; a larger contextLength takes ` +
        `${engine.plan.kvBytesPerToken} bytes of memory per token`,
    );
  }
  const info = languageInfo({ model, name, backend, kvDType: settings.kvDType, contextLength, template });
  const origin = originOf(path, { backend, template, digest: options.digest });
  return createLanguageModel({ info, tokenizer, template, engine, origin, onDispose: close });
}

/** The graph that writes text, and what an engine of it is made with. */
export function traceForText(
  file: ModelFile,
  backend: Backend,
  options: OpenOptions,
): { readonly model: LoadedModel; readonly settings: EngineOptions } {
  const kvDType = cacheFormat(backend, options.kvDType);
  const { contextLength: wanted } = options;
  const limit = wanted === undefined ? {} : { contextLength: wanted };
  const model = loadModel(file, { pageSize: PAGE_SIZE, kvDType, ...limit });
  return { model, settings: { availableBytes: spareBytes(), ...options, pageSize: PAGE_SIZE, kvDType } };
}

interface LanguageFacts {
  readonly model: LoadedModel;
  readonly name: string;
  readonly backend: Backend;
  readonly kvDType: CacheDType;
  readonly contextLength: number;
  readonly template: ChatTemplate | undefined;
}

export function languageInfo(facts: LanguageFacts): ModelInfo {
  const { model, name, backend, kvDType, contextLength, template } = facts;
  const { config, parameterCount } = model;
  return {
    name,
    architecture: config.architecture,
    parameterCount,
    quantisation: mainDType(model),
    vocabSize: config.vocabSize,
    backend: backend.name,
    kvDType,
    contextLength,
    ...templateFacts(template),
  };
}

/** What a template tells of its model. */
function templateFacts(
  template: ChatTemplate | undefined,
): Pick<ModelInfo, 'hasChatTemplate' | 'chatTemplate' | 'callsTools' | 'reasons'> {
  return {
    hasChatTemplate: template !== undefined,
    ...(template && { chatTemplate: template.source }),
    callsTools: template !== undefined && readsToolCalls(template),
    reasons: template !== undefined && answerSyntax(template) !== undefined,
  };
}
