/** What is measured of one generation, as metrics and as spans: waiting, prefill, decoding, and how it ended. */

import type { GenerateEvent } from '@steelyard/engine';
import type { Used } from '../access/usage-meter.ts';
import type { Call } from '../endpoint.ts';
import { toApiError } from '../http/api-error.ts';
import type { FinishEvent } from '../schemas/usage.ts';
import { UNTRACED, type Attrs, type Traced } from './tracing.ts';

interface Watched {
  /** Path of the endpoint. */
  readonly endpoint: string;
  /** As asked for. */
  readonly model: string;
}

type Phase = 'queue' | 'prefill' | 'decode';

export class GenerationWatch {
  readonly #call: Call<unknown>;
  readonly #endpoint: string;
  readonly #started = performance.now();
  readonly #span: Traced;
  #phase = UNTRACED;
  #phaseName: Phase | undefined;
  #phaseStarted = this.#started;
  #model: string;
  readonly #usage = { input: 0, cached: 0, output: 0 };
  readonly #reasons: string[] = [];
  #ended = false;

  constructor(call: Call<unknown>, { endpoint, model }: Watched) {
    this.#call = call;
    this.#endpoint = endpoint;
    this.#model = model;
    const operation = operationOf(endpoint);
    this.#span = (call.trace ?? UNTRACED).child(`${operation} ${model}`, {
      'gen_ai.operation.name': operation,
      'gen_ai.provider.name': 'steelyard',
      'gen_ai.request.model': model,
      ...requestAttributes(call.body),
    });
  }

  get #metrics() {
    return this.#call.services.metrics;
  }

  /** The model is in memory. @param model by its own name */
  loaded(model: string): void {
    this.#model = model;
    this.#span.set({ 'gen_ai.response.model': model, 'steelyard.load_ms': this.#seconds() * 1000 });
    this.#next('queue');
  }

  /** It waits no more. */
  placed(): void {
    this.#metrics.observeQueueWait(this.#model, (performance.now() - this.#phaseStarted) / 1000);
    this.#next('prefill');
  }

  /** The events of a choice, watched as the engine gives them, whatever the pace of their reader. */
  async *events(choice: AsyncIterable<GenerateEvent>): AsyncGenerator<GenerateEvent, void, undefined> {
    let last: number | undefined;
    for await (const event of choice) {
      if (event.type === 'text') {
        const now = performance.now();
        if (last !== undefined) this.#metrics.observeInterToken(this.#model, (now - last) / 1000);
        last = now;
        if (this.#phaseName === 'prefill') this.#firstToken();
      }
      yield event;
    }
  }

  /** Vectors of texts: all that is measured of them beside time. */
  embedded(inputTokens: number): void {
    this.#usage.input = inputTokens;
  }

  #firstToken(): void {
    this.#metrics.observeFirstToken(this.#endpoint, this.#model, this.#seconds());
    this.#next('decode');
  }

  /** @param promptCounts false for choices whose prompt was counted already */
  finished({ usage, timing, reason }: FinishEvent, promptCounts: boolean): void {
    this.#reasons.push(reason);
    this.#usage.output += usage.completionTokens;
    if (promptCounts) {
      this.#usage.input += usage.promptTokens;
      this.#usage.cached += usage.cachedTokens;
      this.#metrics.observePrefix(this.#model, usage.cachedTokens > 0);
    }
    if (usage.completionTokens > 1 && timing.decodeMs > 0)
      this.#metrics.observeSpeed(this.#model, (usage.completionTokens - 1) / (timing.decodeMs / 1000));
  }

  /** Once; later calls do nothing. */
  end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    if (error === undefined) this.#metrics.observeGeneration(this.#endpoint, this.#model, this.#seconds());
    const failure = error === undefined ? undefined : (toApiError(error).code ?? 'error');
    const ended = failure === undefined ? {} : { failure };
    this.#phase.end(ended);
    this.#span.set({
      ...usageAttributes({
        inputTokens: this.#usage.input,
        cachedTokens: this.#usage.cached,
        outputTokens: this.#usage.output,
      }),
      ...(this.#reasons.length > 0 ? { 'gen_ai.response.finish_reasons': [...this.#reasons] } : {}),
    });
    this.#span.end(ended);
  }

  #next(name: Phase): void {
    this.#phase.end();
    this.#phaseName = name;
    this.#phaseStarted = performance.now();
    this.#phase = this.#span.child(name);
  }

  #seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }
}

export function usageAttributes({ inputTokens, cachedTokens, outputTokens }: Omit<Used, 'model'>): Attrs {
  return {
    'gen_ai.usage.input_tokens': inputTokens,
    'gen_ai.usage.output_tokens': outputTokens,
    'gen_ai.usage.cache_read.input_tokens': cachedTokens,
  };
}

/** What an endpoint does, by the name of the conventions. */
export function operationOf(endpoint: string): string {
  if (/embed|rerank/.test(endpoint)) return 'embeddings';
  return /\/(completions|generate)$/.test(endpoint) && !endpoint.includes('chat')
    ? 'text_completion'
    : 'chat';
}

/** Settings of the request by the names of the conventions; none of its content. */
const SETTINGS: Readonly<Record<string, string>> = {
  max_tokens: 'gen_ai.request.max_tokens',
  max_completion_tokens: 'gen_ai.request.max_tokens',
  max_output_tokens: 'gen_ai.request.max_tokens',
  temperature: 'gen_ai.request.temperature',
  top_p: 'gen_ai.request.top_p',
  top_k: 'gen_ai.request.top_k',
  frequency_penalty: 'gen_ai.request.frequency_penalty',
  presence_penalty: 'gen_ai.request.presence_penalty',
  seed: 'gen_ai.request.seed',
};

function requestAttributes(body: unknown): Attrs {
  const given = Object.entries((body ?? {}) as Record<string, unknown>);
  const attributes: Attrs = {};
  for (const [name, value] of given) {
    const attribute = Object.hasOwn(SETTINGS, name) ? SETTINGS[name] : undefined;
    if (attribute !== undefined && typeof value === 'number') attributes[attribute] = value;
  }
  return attributes;
}
