/**
 * A language model without weights, for tests of what serves models: it answers a chat with the last message's
 * words, and continues a text with the words of it, honouring every option that the real engine does.
 */

import { CapacityError } from '@steelyard/core';
import type { ChatMessage, DecodeOptions, Tokenizer, TokenStream } from '@steelyard/text';
import { Answer } from './answer.ts';
import type { EngineStats, FinishReason, GenerateEvent, GenerateOptions, LanguageModel } from './types.ts';

export interface StubOptions {
  readonly name?: string;
  /** Milliseconds per token. Default 0. */
  readonly delayMs?: number;
  readonly contextLength?: number;
  /** The answer to a chat; default the last message's text. */
  readonly reply?: (messages: readonly ChatMessage[]) => string;
  readonly hasChatTemplate?: boolean;
}

const EOS = 0;
const FIRST_BYTE = 1;
const VOCAB = FIRST_BYTE + 256;

/** One token per UTF-8 byte, so that half characters and stop strings across tokens do occur. */
function byteTokenizer(): Tokenizer {
  const stream = (): TokenStream => {
    const decoder = new TextDecoder();
    return {
      push: (id) => (id < FIRST_BYTE ? '' : decoder.decode(Uint8Array.of(id - FIRST_BYTE), { stream: true })),
      flush: () => decoder.decode(),
    };
  };
  return {
    vocabSize: VOCAB,
    bosId: undefined,
    eosIds: [EOS],
    encode: (text) => Array.from(new TextEncoder().encode(text), (byte) => byte + FIRST_BYTE),
    decode: (ids: readonly number[], _options?: DecodeOptions) =>
      new TextDecoder().decode(
        Uint8Array.from(
          ids.filter((id) => id >= FIRST_BYTE),
          (id) => id - FIRST_BYTE,
        ),
      ),
    token: (id) => (id === EOS ? '<eos>' : `<0x${(id - FIRST_BYTE).toString(16).padStart(2, '0')}>`),
    id: (token) => (token === '<eos>' ? EOS : undefined),
    bytes: (id) => (id < FIRST_BYTE ? new Uint8Array() : Uint8Array.of(id - FIRST_BYTE)),
    isSpecial: (id) => id === EOS,
    stream,
  };
}

/** Logits that put nearly all weight on one token. */
function peaked(id: number): Float32Array {
  const row = new Float32Array(VOCAB);
  row[id] = 20;
  return row;
}

function textOf({ content }: ChatMessage): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map((part) => part.text ?? '').join('');
}

export function createStubModel(options: StubOptions = {}): LanguageModel {
  const { name = 'stub', delayMs = 0, contextLength = 4096, hasChatTemplate = true } = options;
  const tokenizer = byteTokenizer();
  const totals = { running: 0, prompt: 0, completion: 0, steps: 0 };

  async function* generate(
    prompt: readonly number[],
    reply: string,
    wanted: GenerateOptions,
  ): AsyncGenerator<GenerateEvent> {
    if (prompt.length >= contextLength) {
      throw new CapacityError(
        `the prompt has ${prompt.length} tokens, the context holds ${contextLength}; shorten it`,
      );
    }
    const answer = new Answer(tokenizer, wanted);
    const abandoned = { now: false };
    totals.running++;
    totals.prompt += prompt.length;
    void (async () => {
      const end = await produce(answer, prompt, reply, wanted, () => abandoned.now);
      totals.running--;
      const usage = { promptTokens: prompt.length, cachedTokens: 0, completionTokens: end.tokens };
      answer.finish(end.reason, end.stop, usage, {
        queuedMs: 0,
        prefillMs: delayMs,
        decodeMs: delayMs * end.tokens,
      });
    })();
    yield* answer.events(() => {
      abandoned.now = true;
    });
  }

  async function produce(
    answer: Answer,
    prompt: readonly number[],
    reply: string,
    wanted: GenerateOptions,
    abandoned: () => boolean,
  ) {
    if (wanted.promptLogprobs) {
      prompt.slice(1).forEach((id) => answer.pushPrompt(id, peaked(id)));
      answer.promptDone();
    }
    let tokens = 0;
    const max = Math.min(wanted.maxTokens ?? Infinity, contextLength - prompt.length);
    const end = (reason: FinishReason, stop?: string) => ({
      reason,
      tokens,
      ...(stop !== undefined && { stop }),
    });
    for (const id of [...tokenizer.encode(reply), EOS]) {
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      if (wanted.signal?.aborted || abandoned()) return end('abort');
      if (tokens >= max) return end('length');
      totals.steps++;
      totals.completion++;
      tokens++;
      if (id === EOS) break;
      const stop = answer.push(id, peaked(id));
      if (stop !== undefined) return end('stop', stop);
      if (tokens >= max) return end('length');
    }
    return end('stop');
  }

  return {
    info: {
      name,
      architecture: 'stub',
      parameterCount: 0,
      quantisation: 'none',
      contextLength,
      vocabSize: VOCAB,
      backend: 'stub',
      hasChatTemplate,
    },
    chat: (messages, wanted = {}) => {
      const prompt = messages.map((m) => `${m.role}: ${textOf(m)}`).join('\n');
      const last = messages.at(-1);
      return generate(
        tokenizer.encode(prompt),
        options.reply?.(messages) ?? (last ? textOf(last) : ''),
        wanted,
      );
    },
    complete: (prompt, wanted = {}) => {
      const ids = typeof prompt === 'string' ? tokenizer.encode(prompt) : prompt;
      return generate(ids, tokenizer.decode(ids), wanted);
    },
    tokenize: (text) => tokenizer.encode(text),
    detokenize: (ids) => tokenizer.decode(ids),
    stats: (): EngineStats => ({
      running: totals.running,
      waiting: 0,
      pagesTotal: 0,
      pagesFree: 0,
      pagesCached: 0,
      promptTokensTotal: totals.prompt,
      cachedTokensTotal: 0,
      completionTokensTotal: totals.completion,
      stepsTotal: totals.steps,
      preemptionsTotal: 0,
      memory: { weights: 0, kv: 0, temporaries: 0 },
    }),
    dispose: () => Promise.resolve(),
  };
}
