/** A model without weights whose every token the test decides. Where that control is not
 * needed, tests use the engine's stub. */

import { setTimeout as sleep } from 'node:timers/promises';
import { CapacityError } from '@steelyard/core';
import type {
  ChatOptions,
  EngineStats,
  GenerateEvent,
  GenerateOptions,
  LanguageModel,
  TokenLogprob,
} from '@steelyard/engine';
import type { ChatMessage } from '@steelyard/text';

export interface FakeOptions {
  readonly name?: string;
  /** Pieces of every answer, one token each. Default `['Hello', ' world', '!']`. */
  readonly pieces?: readonly string[];
  /** Awaited before each piece. */
  readonly pace?: (signal: AbortSignal | undefined) => Promise<void>;
  /** Thrown in place of the piece with this index. */
  readonly failAt?: { readonly index: number; readonly error: Error };
  readonly contextLength?: number;
}

export interface FakeModel extends LanguageModel {
  /** What each request asked, in order. */
  readonly asked: { prompt: readonly ChatMessage[] | string | readonly number[]; options: ChatOptions }[];
  /** Requests that ended by their signal. */
  readonly aborted: () => number;
}

export function fakeModel(fake: FakeOptions = {}): FakeModel {
  const pieces = fake.pieces ?? ['Hello', ' world', '!'];
  const contextLength = fake.contextLength ?? 1000;
  const asked: FakeModel['asked'] = [];
  const counts = { running: 0, aborted: 0, completion: 0 };

  async function* generate(promptTokens: number, options: GenerateOptions): AsyncGenerator<GenerateEvent> {
    const { signal } = options;
    if (promptTokens > contextLength) {
      throw new CapacityError(`the prompt has ${promptTokens} tokens, the context holds ${contextLength}`);
    }
    if (options.promptLogprobs) yield { type: 'promptLogprobs', tokens: [logprob('q', -2, 0)] };
    counts.running++;
    let tokens = 0;
    try {
      for (const [index, piece] of pieces.entries()) {
        if (options.maxTokens !== undefined && tokens >= options.maxTokens) break;
        await fake.pace?.(signal);
        if (signal?.aborted) break;
        if (fake.failAt?.index === index) throw fake.failAt.error;
        tokens++;
        counts.completion++;
        const logprobs =
          options.logprobs === undefined ? {} : { logprobs: [logprob(piece, -0.5, options.logprobs)] };
        yield { type: 'text', text: piece, tokens: [index], ...logprobs };
      }
      if (signal?.aborted) counts.aborted++;
      const cut = options.maxTokens !== undefined && tokens >= options.maxTokens && tokens < pieces.length;
      yield {
        type: 'finish',
        reason: signal?.aborted ? 'abort' : cut ? 'length' : 'stop',
        usage: {
          ...{ promptTokens, cachedTokens: 2, completionTokens: tokens },
          ...(options.prediction !== undefined && { predictedTokens: { accepted: 4, rejected: 1 } }),
        },
        timing: { queuedMs: 1, prefillMs: 2, decodeMs: 3 },
      };
    } finally {
      counts.running--;
    }
  }

  return {
    info: {
      name: fake.name ?? 'fake',
      architecture: 'fake',
      parameterCount: 1_000_000,
      quantisation: 'F32',
      contextLength,
      vocabSize: 100,
      backend: 'none',
      hasChatTemplate: true,
    },
    asked,
    aborted: () => counts.aborted,
    chat(messages, options = {}) {
      asked.push({ prompt: messages, options });
      return generate(words(messages), options);
    },
    complete(prompt, options = {}) {
      asked.push({ prompt, options });
      return generate(typeof prompt === 'string' ? prompt.split(' ').length : prompt.length, options);
    },
    countTokens: (messages) => words(messages),
    tokenize: (text) => [...text].map((char) => char.codePointAt(0)!),
    detokenize: (ids) => String.fromCodePoint(...ids),
    stats: (): EngineStats => ({
      running: counts.running,
      waiting: 0,
      pagesTotal: 8,
      pagesFree: 8 - counts.running,
      pagesCached: 0,
      promptTokensTotal: 5,
      cachedTokensTotal: 2,
      completionTokensTotal: counts.completion,
      stepsTotal: 1,
      guessedTokensTotal: 0,
      rightGuessesTotal: 0,
      preemptionsTotal: 0,
      memory: { weights: 1, kv: 2, temporaries: 3 },
    }),
    dispose: () => Promise.resolve(),
  };
}

function words(messages: readonly ChatMessage[]): number {
  return messages
    .map((message) => message.content as string)
    .join(' ')
    .split(' ').length;
}

function logprob(text: string, value: number, alternatives: number): TokenLogprob {
  const bytes = new TextEncoder().encode(text);
  const top = Array.from({ length: alternatives }, (_, id) => ({
    id,
    text: `alt${id}`,
    bytes,
    logprob: value - id,
  }));
  return { id: 1, text, bytes, logprob: value, top };
}

/** A pace of one piece per `ms`; the signal ends a wait early. */
export function pause(ms: number): (signal: AbortSignal | undefined) => Promise<void> {
  return (signal) => sleep(ms, undefined, { signal }).catch(() => {});
}
