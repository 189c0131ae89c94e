/** What the engine is asked by a request in Ollama's shape, and what of it this server cannot do. */

import { toChatOptions, type ChatAsk } from '../chat-options.ts';
import { ApiError, unsupported } from '../http/api-error.ts';
import type { OllamaAsk } from '../schemas/ollama-request.ts';
import { plainConstraint, schemaConstraint } from '../schemas/response-format.ts';
import type { ChatOptions, Constraint, LanguageModel } from '@steelyard/engine';
import { isElsewhere } from '../upstreams/upstream-model.ts';

/** Ollama's own, where a request says nothing. */
const DEFAULTS = { temperature: 0.8, top_k: 40, top_p: 0.9 };
const SECOND = 1000;
const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: SECOND,
  m: 60 * SECOND,
  h: 3600 * SECOND,
};

export interface OllamaPlan {
  readonly model: LanguageModel;
  readonly signal: AbortSignal;
  readonly tools?: readonly unknown[] | null | undefined;
}

/** @throws ApiError 400 naming what is not supported */
export function ollamaOptions(body: OllamaAsk, { model, signal, tools }: OllamaPlan): ChatOptions {
  const { options = {}, think } = body;
  return toChatOptions({
    // Not all upstreams take all of these, which nobody asked for.
    sampling: { ...(isElsewhere(model.info) ? {} : DEFAULTS), ...toSampling(options ?? {}) },
    choice: 0,
    maxTokens: maxTokensOf(body),
    logprobs: body.logprobs ? (body.top_logprobs ?? 0) : undefined,
    tools: tools && tools.length > 0 ? tools : undefined,
    reasoningEffort: typeof think === 'string' ? think : undefined,
    // A template without this switch does not read it; thoughts that it cannot turn off end as they begin.
    templateVariables: typeof think === 'boolean' ? { enable_thinking: think } : undefined,
    maxReasoningTokens: think === false ? 0 : undefined,
    constraint: toConstraint(body.format),
    signal,
  });
}

/** Undefined: what the context leaves. */
export function maxTokensOf({ options }: OllamaAsk): number | undefined {
  const most = options?.num_predict;
  return typeof most === 'number' && most > 0 ? most : undefined;
}

/** Milliseconds; undefined where the request says nothing. */
export function keepAliveOf({ keep_alive: time }: Pick<OllamaAsk, 'keep_alive'>): number | undefined {
  if (time === undefined || time === null) return undefined;
  const [, number = '0', unit = 's'] = /^(-?[\d.]+)(\D+)?$/.exec(String(time)) ?? [];
  const ms = Number(number) * UNITS[unit]!;
  return ms < 0 ? Infinity : ms;
}

/** Ollama's names end with a tag; a model here has none. */
export function modelNameOf({ model, name }: { model?: string | null; name?: string | null }): string {
  const given = model ?? name;
  if (!given) {
    const detail = { param: 'model', code: 'missing_required_parameter' };
    throw new ApiError(400, "Missing parameter: 'model'.", detail);
  }
  return given.replace(/:latest$/, '');
}

/** @throws ApiError 400 */
export function refuseImages(images: readonly unknown[] | null | undefined, param: string): void {
  if ((images?.length ?? 0) > 0)
    throw unsupported(param, 'Images', 'Describe the image in words, or leave it out.');
}

type Options = NonNullable<OllamaAsk['options']>;

function toSampling(options: Options): ChatAsk['sampling'] {
  refuseSamplers(options);
  const stop = typeof options.stop === 'string' && options.stop === '' ? undefined : options.stop;
  return {
    ...(typeof options.temperature === 'number' ? { temperature: options.temperature } : {}),
    ...(typeof options.top_k === 'number' ? { top_k: options.top_k } : {}),
    ...(typeof options.top_p === 'number' ? { top_p: options.top_p } : {}),
    min_p: options.min_p,
    seed: options.seed,
    stop,
    repetition_penalty: options.repeat_penalty,
    presence_penalty: options.presence_penalty,
    frequency_penalty: options.frequency_penalty,
  };
}

function refuseSamplers({ mirostat, tfs_z, typical_p }: Options): void {
  const asks = (value: number | null | undefined, neutral: number) => (value ?? neutral) !== neutral;
  if (asks(mirostat, 0)) throw unsupported('options.mirostat', 'Mirostat', 'Remove it or send 0.');
  if (asks(tfs_z, 1)) throw unsupported('options.tfs_z', 'Tail-free sampling', 'Remove it or send 1.');
  if (asks(typical_p, 1)) throw unsupported('options.typical_p', 'Typical sampling', 'Remove it or send 1.');
}

function toConstraint(format: OllamaAsk['format']): Constraint | undefined {
  if (!format) return undefined;
  if (format === 'json') return plainConstraint({ type: 'json_object' }, 'format');
  return schemaConstraint({ name: 'format', schema: format }, 'format', 'format');
}
