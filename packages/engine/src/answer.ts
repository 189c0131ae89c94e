/** What a request gets back while its tokens come: whole characters, stop strings watched, events in a queue. */

import type { Tokenizer, TokenStream } from '@steelyard/text';
import { rowLogprobs } from './sampler/logprobs.ts';
import { StopStrings } from './stop-strings.ts';
import type { FinishReason, GenerateEvent, GenerateOptions, Timing, TokenLogprob, Usage } from './types.ts';

interface PendingToken {
  readonly id: number;
  /** Length of the answer's text before and after this token. */
  readonly start: number;
  readonly end: number;
  readonly logprob?: TokenLogprob;
}

export class Answer {
  readonly #tokenizer: Tokenizer;
  readonly #options: GenerateOptions;
  readonly #stream: TokenStream;
  readonly #stops: StopStrings;
  readonly #pending: PendingToken[] = [];
  readonly #events: GenerateEvent[] = [];
  readonly #promptLogprobs: TokenLogprob[] = [];
  #wake: (() => void) | undefined;
  #failure: unknown;
  #done = false;
  #decoded = 0;
  #shown = 0;

  constructor(tokenizer: Tokenizer, options: GenerateOptions) {
    this.#tokenizer = tokenizer;
    this.#options = options;
    this.#stream = tokenizer.stream();
    this.#stops = new StopStrings(options.stop ?? []);
  }

  /** Adds a token; returns the stop string that it completed, if one. */
  push(id: number, logits: Float32Array): string | undefined {
    const logprob =
      this.#options.logprobs === undefined ? undefined : this.logprobOf(id, logits, this.#options.logprobs);
    const piece = this.#stream.push(id);
    const start = this.#decoded;
    this.#decoded += piece.length;
    this.#pending.push({ id, start, end: this.#decoded, ...(logprob && { logprob }) });
    const { text, stop } = this.#stops.push(piece);
    this.#show(text, stop !== undefined);
    return stop;
  }

  /** Log-probabilities of a prompt token, given the logits of the token before it. */
  pushPrompt(id: number, logits: Float32Array): void {
    this.#promptLogprobs.push(this.logprobOf(id, logits, this.#options.logprobs ?? 0));
  }

  /** Emits the prompt's log-probabilities before the first text. */
  promptDone(): void {
    this.#emit({ type: 'promptLogprobs', tokens: this.#promptLogprobs });
  }

  logprobOf(id: number, logits: Float32Array, count: number): TokenLogprob {
    const { logprob, top } = rowLogprobs(logits, id, count);
    return { ...this.#describe(id, logprob), top: top.map((t) => this.#describe(t.id, t.logprob)) };
  }

  finish(reason: FinishReason, stop: string | undefined, usage: Usage, timing: Timing): void {
    if (this.#done) return;
    if (stop === undefined) {
      const rest = this.#stops.push(this.#stream.flush());
      this.#show(rest.text + this.#stops.flush(), true);
    }
    this.#done = true;
    this.#emit({ type: 'finish', reason, ...(stop !== undefined && { stop }), usage, timing });
  }

  fail(error: unknown): void {
    if (this.#done) return;
    this.#done = true;
    this.#failure = error;
    this.#wake?.();
  }

  /** Events as they come; `abandon` runs when the reader stops early. */
  async *events(abandon: () => void): AsyncGenerator<GenerateEvent> {
    try {
      for (;;) {
        const event = this.#events.shift();
        if (event) {
          yield event;
          if (event.type === 'finish') return;
        } else if (this.#failure !== undefined) throw this.#failure;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      abandon();
    }
  }

  #describe(id: number, logprob: number) {
    const bytes = this.#tokenizer.bytes(id);
    return { id, text: new TextDecoder().decode(bytes), bytes, logprob };
  }

  /** Shows text and the tokens that it completes; at the end also those that only began in it. */
  #show(text: string, ends: boolean): void {
    this.#shown += text.length;
    const tokens: PendingToken[] = [];
    while (this.#pending.length > 0) {
      const next = this.#pending[0] as PendingToken;
      const complete = next.end <= this.#shown || (ends && next.start < this.#shown);
      // Tokens of half a character have no text yet; they wait for the one that completes it.
      if (!complete || (text === '' && !ends && next.end === next.start)) break;
      tokens.push(this.#pending.shift() as PendingToken);
    }
    if (text === '' && tokens.length === 0) return;
    const logprobs = tokens.flatMap((t) => (t.logprob ? [t.logprob] : []));
    this.#emit({
      type: 'text',
      text,
      tokens: tokens.map((t) => t.id),
      ...(this.#options.logprobs !== undefined && { logprobs }),
    });
  }

  #emit(event: GenerateEvent): void {
    this.#events.push(event);
    this.#wake?.();
  }
}
