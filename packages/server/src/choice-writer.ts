/** One choice of a text completion: its events as pieces of text and log-probabilities, the echoed prompt first. */

import type { GenerateEvent, LanguageModel, TokenLogprob } from '@steelyard/engine';
import { toCompletionLogprobs, type CompletionLogprobs } from './schemas/completion-response.ts';

/** A text, or token ids. */
export type Prompt = string | readonly number[];

/** What is echoed: the prompt, and its first token, which the engine gives no log-probability. */
export interface Echo {
  readonly text: string;
  readonly firstToken: TokenLogprob;
}

export function echoOf(model: LanguageModel, prompt: Prompt): Echo {
  const ids = typeof prompt === 'string' ? model.tokenize(prompt) : prompt;
  const spelled = (some: readonly number[]): string => model.detokenize(some, { skipSpecial: false });
  const whole = typeof prompt === 'string' ? prompt : spelled(prompt);
  const first = spelled(ids.slice(0, 1));
  // A mark of the beginning that the tokenizer adds is no part of a text.
  const text = whole.startsWith(first) ? first : model.detokenize(ids.slice(0, 1));
  const bytes = new TextEncoder().encode(text);
  return {
    text: whole,
    firstToken: { id: ids[0] ?? 0, text, bytes, logprob: -Infinity, top: [] },
  };
}

/** Turns one choice's events into pieces of its text, with the prompt before them when it is echoed. */
export class ChoiceWriter {
  readonly #alternatives: number | undefined;
  readonly #firstToken: TokenLogprob | undefined;
  #echo: string | undefined;
  #offset = 0;

  /** @param alternatives per token, when log-probabilities are asked for */
  constructor(alternatives: number | undefined, echo?: Echo) {
    this.#alternatives = alternatives;
    this.#firstToken = echo?.firstToken;
    this.#echo = echo?.text;
  }

  /** @returns what to append; undefined when the event adds nothing */
  write(event: GenerateEvent): { text: string; logprobs: CompletionLogprobs | null } | undefined {
    let text = '';
    let tokens: readonly TokenLogprob[] = [];
    if (this.#echo !== undefined) {
      text = this.#echo;
      this.#echo = undefined;
    }
    if (event.type === 'promptLogprobs') tokens = [this.#firstToken!, ...event.tokens];
    if (event.type === 'text') {
      text += event.text;
      tokens = event.logprobs ?? [];
    }
    if (text === '' && tokens.length === 0) return undefined;
    const logprobs =
      this.#alternatives === undefined
        ? null
        : toCompletionLogprobs(tokens, this.#alternatives, this.#offset);
    this.#offset += text.length;
    return { text, logprobs };
  }
}
