/**
 * From a request's tokens to its events: whole characters, stop strings watched, ids and log-probabilities with the
 * text that they complete. Which tokens come, and when the answer ends, is decided elsewhere.
 */

import {
  ReplyParser,
  type ReplyEvent,
  type ReplyFormat,
  type Tokenizer,
  type TokenStream,
} from '@steelyard/text';
import type { EventSink } from './event-stream.ts';
import { rowLogprobs } from './sampler/logprobs.ts';
import { StopStrings } from './stop-strings.ts';
import type { FinishReason, GenerateOptions, Timing, TokenLogprob, Trace, Usage } from './types.ts';

interface PendingToken {
  readonly id: number;
  /** Length of the answer's text before and after this token. */
  readonly start: number;
  readonly end: number;
  readonly logprob: TokenLogprob | undefined;
}

export type AnswerOptions = Pick<GenerateOptions, 'logprobs' | 'stop' | 'reply'>;

const decoder = new TextDecoder();
/** Tokens at a prompt's end in which a template may have opened a section of the answer. */
export const PROMPT_END = 16;

export class Answer {
  readonly #tokenizer: Tokenizer;
  readonly #logprobs: number | undefined;
  readonly #sink: EventSink;
  readonly #stream: TokenStream;
  readonly #stops: StopStrings;
  readonly #reply: ReplyParser | undefined;
  #pending: PendingToken[] = [];
  readonly #promptLogprobs: TokenLogprob[] = [];
  #decoded = 0;
  #shown = 0;
  #reasoningTokens = 0;

  /** @param prompt its token ids */
  constructor(tokenizer: Tokenizer, options: AnswerOptions, sink: EventSink, prompt: readonly number[] = []) {
    this.#tokenizer = tokenizer;
    this.#logprobs = options.logprobs;
    this.#sink = sink;
    const { reply } = options;
    this.#stream = tokenizer.stream(reply && { keep: marksOf(reply, tokenizer) });
    this.#reply =
      reply && new ReplyParser(reply, tokenizer.decode(prompt.slice(-PROMPT_END), { skipSpecial: false }));
    this.#stops = new StopStrings(options.stop ?? []);
  }

  /**
   * Adds a token; returns the stop string that it completed, if one.
   * @param logits [vocab] that the token was drawn from; read only when log-probabilities are wanted
   */
  push(id: number, logits: Float32Array): string | undefined {
    const logprob = this.#logprobs === undefined ? undefined : this.#describe(id, logits, this.#logprobs);
    const piece = this.#stream.push(id);
    const start = this.#decoded;
    this.#decoded += piece.length;
    this.#pending.push({ id, start, end: this.#decoded, logprob });
    const { text, stop } = this.#stops.push(piece);
    this.#show(text, stop !== undefined);
    return stop;
  }

  /** A prompt token, with the logits [vocab] of the token before it. */
  pushPrompt(id: number, logits: Float32Array): void {
    this.#promptLogprobs.push(this.#describe(id, logits, this.#logprobs ?? 0));
  }

  /** Emits the prompt's log-probabilities; comes before the first text. */
  promptDone(): void {
    this.#sink.emit({ type: 'promptLogprobs', tokens: this.#promptLogprobs });
  }

  /** Shows what was held back and ends the stream. An unfinished character at the end is left out. */
  finish(reason: FinishReason, stop: string | undefined, usage: Usage, timing: Timing, trace?: Trace): void {
    if (stop === undefined) this.#show(this.#stops.flush(), true);
    if (this.#reply) this.#emitReply(this.#reply.end(), []);
    const reasoningTokens = this.#reasoningTokens;
    this.#sink.emit({
      type: 'finish',
      reason,
      ...(stop !== undefined && { stop }),
      usage: this.#reply ? { ...usage, reasoningTokens } : usage,
      timing,
      ...(trace && { trace }),
    });
  }

  #describe(id: number, logits: Float32Array, count: number): TokenLogprob {
    const { logprob, top } = rowLogprobs(logits, id, count);
    const named = (token: number, value: number) => {
      const bytes = this.#tokenizer.bytes(token);
      return { id: token, text: decoder.decode(bytes), bytes, logprob: value };
    };
    return { ...named(id, logprob), top: top.map((other) => named(other.id, other.logprob)) };
  }

  /** Shows text and the tokens that it completes; at the end also those of which it shows only a part. */
  #show(text: string, ends: boolean): void {
    this.#shown += text.length;
    let count = 0;
    for (const { start, end } of this.#pending) {
      const complete = end <= this.#shown || (ends && start < this.#shown);
      // Tokens without text of their own (parts of a character) wait for the one that completes it.
      if (!complete || (text === '' && !ends && end === start)) break;
      count++;
    }
    const tokens = this.#pending;
    this.#pending = tokens.length > count ? tokens.splice(count) : [];
    if (text === '' && tokens.length === 0) return;
    if (!this.#reply) {
      this.#emitText(text, tokens);
      return;
    }
    const inReasoning = this.#reply.reasoning;
    const events = this.#reply.push(text);
    if (inReasoning || this.#reply.reasoning) this.#reasoningTokens += tokens.length;
    this.#emitReply(events, tokens);
  }

  /** The tokens go with the first piece of text, or alone where all of it is held back. */
  #emitReply(events: readonly ReplyEvent[], tokens: readonly PendingToken[]): void {
    let rest = tokens;
    for (const event of events) {
      if (event.type === 'call' || event.type === 'callDelta') {
        this.#sink.emit(
          event.type === 'call' ? { ...event, type: 'toolCall' } : { ...event, type: 'toolCallDelta' },
        );
        continue;
      }
      const { type, text } = event;
      if (type === 'content') this.#emitText(text, rest);
      else this.#sink.emit({ type, text, tokens: rest.map(({ id }) => id) });
      rest = [];
    }
    if (rest.length > 0) this.#emitText('', rest);
  }

  #emitText(text: string, tokens: readonly PendingToken[]): void {
    const event = { type: 'text', text, tokens: tokens.map(({ id }) => id) } as const;
    if (this.#logprobs === undefined) this.#sink.emit(event);
    else this.#sink.emit({ ...event, logprobs: tokens.flatMap(({ logprob }) => logprob ?? []) });
  }
}

/** Ids of the special tokens by which the format marks sections. */
export function marksOf({ sections, marks = [] }: ReplyFormat, tokenizer: Tokenizer): ReadonlySet<number> {
  const all = [...sections.flatMap(({ open, close }) => [open, close ?? []].flat()), ...marks];
  return new Set(all.flatMap((mark) => tokenizer.id(mark) ?? []));
}
