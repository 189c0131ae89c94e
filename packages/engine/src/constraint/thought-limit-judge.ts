/**
 * Lets a model think for so many tokens; then it must write what ends its thoughts, and goes on from there. May keep the
 * answer to a constraint as well.
 */

import { ReplyParser, type ReplyFormat, type Tokenizer, type TokenStream } from '@steelyard/text';
import { bits } from './bits.ts';
import type { Judge } from './guide.ts';

export interface ThoughtLimit {
  /** Of reasoning, at most; 0 ends it as it begins. */
  readonly tokens: number;
  /** What ends it, in texts in which special tokens are spelled out: the mark, and what stands between it and an answer. */
  readonly close: string;
  readonly then: string;
}

export interface LimitedParts {
  readonly tokenizer: Tokenizer;
  /** Of the logits. */
  readonly vocabSize: number;
  readonly reply: ReplyFormat;
  /** The prompt's end. */
  readonly prompt: string;
  /** Ids of special tokens that the parser must see. */
  readonly marks: ReadonlySet<number>;
  readonly inner?: Judge;
}

export class ThoughtLimitJudge implements Judge {
  readonly #limit: ThoughtLimit;
  readonly #inner: Judge | undefined;
  readonly #parser: ReplyParser;
  readonly #stream: TokenStream;
  readonly #vocabSize: number;
  /** Ids of what ends thoughts. */
  readonly #end: readonly number[];
  #forced: number[] = [];
  #thought = 0;

  constructor(limit: ThoughtLimit, { tokenizer, vocabSize, reply, prompt, marks, inner }: LimitedParts) {
    this.#limit = limit;
    this.#inner = inner;
    this.#parser = new ReplyParser(reply, prompt);
    this.#stream = tokenizer.stream({ keep: marks });
    this.#vocabSize = vocabSize;
    // Apart, as an outline that is kept to has them.
    this.#end = [limit.close, limit.then].flatMap((text) =>
      tokenizer.encode(text, { addSpecial: false, parseSpecial: true }),
    );
    this.#forceWhenDue();
  }

  async mask(steps: number): Promise<Int32Array> {
    const [next] = this.#forced;
    if (next !== undefined) return bits([next], this.#vocabSize);
    return this.#inner?.mask(steps) ?? new Int32Array(Math.ceil(this.#vocabSize / 32)).fill(-1);
  }

  accept(id: number): boolean {
    const [next] = this.#forced;
    if (next !== undefined && next !== id) return false;
    if (this.#inner && !this.#inner.accept(id)) {
      if (next !== undefined)
        throw new Error(`token ${id}, which ends a thought, does not fit the constraint`);
      return false;
    }
    this.#forced.shift();
    const thinking = this.#parser.reasoning;
    this.#parser.push(this.#stream.push(id));
    if (thinking || this.#parser.reasoning) this.#thought++;
    this.#forceWhenDue();
    return true;
  }

  dispose(): void {
    this.#inner?.dispose();
  }

  #forceWhenDue(): void {
    if (this.#forced.length > 0 || !this.#parser.reasoning || this.#thought < this.#limit.tokens) return;
    this.#forced = [...this.#end];
  }
}
