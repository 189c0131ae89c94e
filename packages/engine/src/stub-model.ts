/**
 * A language model without weights, for tests of what serves models: it answers a chat with the last message's
 * words, and continues a text with its words once more, honouring every option that the engine does but sampling.
 */

import { CapacityError, RequestError } from '@steelyard/core';
import { answerSyntax, readsToolCalls, type ChatMessage } from '@steelyard/text';
import { Answer } from './answer.ts';
import { checkOptions } from './check-options.ts';
import { checkConstraint, type Constraint } from './constraint/constraint.ts';
import { GuideMaker } from './constraint/guide-maker.ts';
import { Sampler } from './sampler/sampler.ts';
import { SamplerScratch } from './sampler/scratch.ts';
import { uniformAt } from './sampler/counter-random.ts';
import { EventStream, type EventSink } from './event-stream.ts';
import { planReply } from './reply-plan.ts';
import { nextTurn } from './turn.ts';
import type {
  EngineStats,
  FinishReason,
  GenerateEvent,
  GenerateOptions,
  LanguageModel,
  Trace,
} from './types.ts';
import { EOS, WordTokenizer } from './word-tokenizer.ts';

export interface StubOptions {
  readonly name?: string;
  /** Milliseconds per token. Default 0. */
  readonly delayMs?: number;
  /** Tokens. Default 4096. */
  readonly contextLength?: number;
  /** The answer to a chat; default the last message's text. */
  readonly reply?: (messages: readonly ChatMessage[]) => string;
  /** Marks that its template holds, by which replies are read. Default none. */
  readonly marks?: string;
  /** Default true. */
  readonly hasChatTemplate?: boolean;
}

interface End {
  readonly reason: FinishReason;
  readonly stop?: string;
}

/** A request while its words come out one by one. */
interface StubRequest {
  readonly prompt: readonly number[];
  readonly reply: string;
  readonly options: GenerateOptions;
  readonly answer: Answer;
  /** Set when the reader has left or the model was disposed. */
  stopped: boolean;
  /** Of the answer. */
  readonly ids: number[];
  readonly seed: number;
}

class StubModel {
  readonly tokenizer = new WordTokenizer();
  readonly #guides = new GuideMaker(this.tokenizer, this.tokenizer.vocabSize);
  readonly #delayMs: number;
  readonly #contextLength: number;
  readonly #running = new Set<StubRequest>();
  readonly #totals = { prompt: 0, completion: 0 };
  #disposed = false;

  constructor({ delayMs = 0, contextLength = 4096 }: StubOptions) {
    this.#delayMs = delayMs;
    this.#contextLength = contextLength;
  }

  start(
    prompt: readonly number[],
    reply: string,
    options: () => GenerateOptions,
  ): AsyncIterableIterator<GenerateEvent> {
    return new EventStream((sink) => {
      const request = this.#accept(prompt, reply, options(), sink);
      void this.#serve(request).catch((error: unknown) => sink.fail(error));
      return () => {
        request.stopped = true;
        this.#running.delete(request);
      };
    });
  }

  stats(): EngineStats {
    const { prompt, completion } = this.#totals;
    return {
      running: this.#running.size,
      waiting: 0,
      pagesTotal: 0,
      pagesFree: 0,
      pagesCached: 0,
      promptTokensTotal: prompt,
      cachedTokensTotal: 0,
      completionTokensTotal: completion,
      stepsTotal: completion,
      guessedTokensTotal: 0,
      rightGuessesTotal: 0,
      preemptionsTotal: 0,
      memory: { weights: 0, kv: 0, temporaries: 0 },
    };
  }

  dispose(): Promise<void> {
    this.#disposed = true;
    for (const request of this.#running) request.stopped = true;
    return Promise.resolve();
  }

  #accept(prompt: readonly number[], reply: string, options: GenerateOptions, sink: EventSink): StubRequest {
    if (this.#disposed) throw new RequestError('the model was disposed; open it again');
    checkOptions(options, this.tokenizer.vocabSize);
    if (options.constraint) checkConstraint(options.constraint);
    if (prompt.length >= this.#contextLength) {
      throw new CapacityError(
        `the prompt has ${prompt.length} tokens, the context holds ${this.#contextLength} with room for an answer; shorten it`,
      );
    }
    const answer = new Answer(this.tokenizer, options, sink, prompt);
    const request = {
      prompt,
      reply,
      options,
      answer,
      stopped: false,
      ids: [],
      seed: seedOf(prompt, options),
    };
    this.#running.add(request);
    this.#totals.prompt += prompt.length;
    return request;
  }

  async #serve(request: StubRequest): Promise<void> {
    const { prompt, answer, options } = request;
    if (options.promptLogprobs) {
      prompt.slice(1).forEach((id) => answer.pushPrompt(id, this.#peaked(id)));
      answer.promptDone();
    }
    const { reason, stop } = await (options.constraint
      ? this.#produceGuided(request, options.constraint)
      : this.#produce(request));
    this.#running.delete(request);
    const usage = { promptTokens: prompt.length, cachedTokens: 0, completionTokens: request.ids.length };
    const decodeMs = this.#delayMs * Math.max(0, request.ids.length - 1);
    const timing = { queuedMs: 0, prefillMs: this.#delayMs, decodeMs };
    answer.finish(reason, stop, usage, timing, options.trace ? traceOf(request) : undefined);
  }

  async #produce(request: StubRequest): Promise<End> {
    const { options, answer } = request;
    const max = Math.min(options.maxTokens ?? Infinity, this.#contextLength - request.prompt.length);
    for (const id of [...this.tokenizer.encode(this.#shortened(request)), EOS]) {
      await this.#delay();
      if (request.stopped || options.signal?.aborted) return { reason: 'abort' };
      if (request.ids.length >= max) return { reason: 'length' };
      this.#totals.completion++;
      request.ids.push(id);
      if (id === EOS) return { reason: 'stop' };
      const stop = answer.push(id, this.#peaked(id));
      if (stop !== undefined) return { reason: 'stop', stop };
      if (request.ids.length >= max) return { reason: 'length' };
    }
    return { reason: 'stop' };
  }

  /** The reply with its thoughts cut where they are limited. */
  #shortened({ reply, options: { thoughtLimit: limit } }: StubRequest): string {
    const end = limit ? reply.indexOf(limit.close) : -1;
    if (!limit || end < 0) return reply;
    // The first token is the mark that opens them.
    const thoughts = this.tokenizer.encode(reply.slice(0, end)).slice(0, 1 + limit.tokens);
    return this.tokenizer.decode(thoughts) + limit.close + reply.slice(end + limit.close.length);
  }

  /**
   * Under a constraint: the reply as far as it is allowed; from where it is not, random logits, which lean to what closes,
   * so that answers end.
   */
  async #produceGuided(request: StubRequest, constraint: Constraint): Promise<End> {
    const { options, answer, prompt, ids, seed } = request;
    const { vocabSize } = this.tokenizer;
    const max = Math.min(options.maxTokens ?? Infinity, this.#contextLength - prompt.length);
    const sampler = new Sampler({ ...options.sampling, seed }, prompt, new SamplerScratch(vocabSize));
    const closing = new Set([
      EOS,
      ...this.tokenizer.encode('"'),
      ...this.tokenizer.encode(']'),
      ...this.tokenizer.encode('}'),
      ...['</think>', '<|end|>', '<|END_THINKING|>'].flatMap((mark) => this.tokenizer.encode(mark)),
    ]);
    const guide = await this.#guides.make({ constraint });
    const reply = [...this.tokenizer.encode(this.#shortened(request)), EOS];
    let follows = true;
    try {
      while (ids.length < max) {
        await this.#delay();
        if (request.stopped || options.signal?.aborted) return { reason: 'abort' };
        const at = ids.length * vocabSize;
        const row = Float32Array.from(
          { length: vocabSize },
          (_, id) => uniformAt(seed, at + id) + (closing.has(id) ? 3 : 0),
        );
        const mask = await guide.mask();
        const wanted = reply[ids.length];
        follows &&= wanted !== undefined && allows(mask, wanted);
        if (follows) row[wanted!] = CERTAIN;
        else if (allows(mask, EOS) && isFree(mask)) row[EOS] = CERTAIN;
        const id = sampler.next(row, mask);
        guide.accept(id);
        this.#totals.completion++;
        ids.push(id);
        if (id === EOS) return { reason: 'stop' };
        answer.push(id, row);
      }
      return { reason: 'length' };
    } finally {
      guide.dispose();
    }
  }

  #delay(): Promise<void> {
    if (this.#delayMs === 0) return nextTurn();
    return new Promise((resolve) => setTimeout(resolve, this.#delayMs));
  }

  /** Logits that put nearly all weight on one token. */
  #peaked(id: number): Float32Array {
    const row = new Float32Array(this.tokenizer.vocabSize);
    row[id] = 20;
    return row;
  }
}

function seedOf(prompt: readonly number[], { sampling }: GenerateOptions): number {
  return sampling?.seed ?? prompt.reduce((sum, id) => sum * 31 + id, 7) % 2 ** 32;
}

function traceOf({ prompt, ids, options, seed }: StubRequest): Trace {
  const { maxTokens, stop, ignoreEos, constraint, sampling } = options;
  return {
    prompt,
    answer: ids,
    options: {
      ...(maxTokens !== undefined && { maxTokens }),
      ...(stop && { stop }),
      ...(ignoreEos !== undefined && { ignoreEos }),
      ...(constraint && { constraint }),
      sampling: { ...sampling, seed },
    },
  };
}

function textOf({ content }: ChatMessage): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map((part) => part.text ?? '').join('');
}

/** A logit beside which no other counts. */
const CERTAIN = 1e3;

function allows(mask: Int32Array, id: number): boolean {
  return (((mask[id >>> 5] ?? 0) >>> (id & 31)) & 1) === 1;
}

/** Whether nearly every token may come. */
function isFree(mask: Int32Array): boolean {
  return mask.filter((word) => word === -1).length > mask.length / 2;
}

function promptOf(messages: readonly ChatMessage[]): string {
  return messages.map((message) => `${message.role}: ${textOf(message)}`).join('\n');
}

export function createStubModel(options: StubOptions = {}): LanguageModel {
  const { name = 'stub', contextLength = 4096, hasChatTemplate = true, reply: answer, marks } = options;
  const model = new StubModel(options);
  const { tokenizer } = model;
  const template = marks === undefined ? undefined : { source: marks, render: () => '' };
  return {
    info: {
      name,
      architecture: 'stub',
      parameterCount: 0,
      quantisation: 'none',
      contextLength,
      vocabSize: tokenizer.vocabSize,
      backend: 'stub',
      hasChatTemplate,
      ...(template && { chatTemplate: template.source }),
      callsTools: template !== undefined && readsToolCalls(template),
      reasons: template !== undefined && answerSyntax(template) !== undefined,
    },
    chat(messages, wanted = {}) {
      const prompt = promptOf(messages);
      const last = messages.at(-1);
      const text = answer?.(messages) ?? (last ? textOf(last) : '');
      const plan = () => ({ ...wanted, ...planReply(name, template, wanted, prompt) });
      return model.start(tokenizer.encode(prompt), text, plan);
    },
    complete(prompt, wanted = {}) {
      const ids = typeof prompt === 'string' ? tokenizer.encode(prompt) : prompt;
      return model.start(ids, tokenizer.decode(ids), () => wanted);
    },
    countTokens: (messages) => tokenizer.encode(promptOf(messages)).length,
    tokenize: (text) => tokenizer.encode(text),
    detokenize: (ids, options) => tokenizer.decode(ids, options),
    stats: () => model.stats(),
    dispose: () => model.dispose(),
  };
}
