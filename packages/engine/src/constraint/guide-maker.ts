/** Makes guides for one tokenizer. */

import { UnsupportedError } from '@steelyard/core';
import type { ReplyFormat, Tokenizer } from '@steelyard/text';
import { marksOf, PROMPT_END } from '../answer.ts';
import { compileGrammar } from './compile-grammar.ts';
import { constraintEbnf, heldParts, type Constraint, type HeldConstraint } from './constraint.ts';
import { GrammarJudge, type JudgedVocabulary } from './grammar-judge.ts';
import { Guide, type Judge } from './guide.ts';
import { OrderedVocabulary } from './ordered-vocabulary.ts';
import { OutlineJudge, type Escapes } from './outline-judge.ts';
import { ThoughtLimitJudge, type ThoughtLimit } from './thought-limit-judge.ts';
import { WellFormed } from './well-formed.ts';

/** What an answer is kept to. */
export interface Bounds {
  readonly constraint?: Constraint | undefined;
  /** Thoughts that take too long are ended. */
  readonly limit?: LimitBounds | undefined;
}

export interface LimitBounds extends ThoughtLimit {
  readonly prompt: readonly number[];
  readonly reply: ReplyFormat;
}

export class GuideMaker {
  readonly #tokenizer: Tokenizer;
  readonly #vocabSize: number;
  readonly #escapes: Escapes = new Map();
  #judged: JudgedVocabulary | undefined;

  /** @param vocabSize of the logits, which may be more than the tokenizer's */
  constructor(tokenizer: Tokenizer, vocabSize: number) {
    this.#tokenizer = tokenizer;
    this.#vocabSize = vocabSize;
  }

  /**
   * Every grammar is compiled before the answer begins.
   * @param tries whether a token may be tried before all are judged (see `Guide.accept`)
   * @throws RequestError when xgrammar refuses a grammar, UnsupportedError when it cannot run
   */
  async make(
    { constraint, limit }: Bounds,
    { tries = false }: { readonly tries?: boolean } = {},
  ): Promise<Guide> {
    const inner = constraint && (await this.#judge(constraint));
    if (limit) return new Guide(this.#limited(limit, inner), { tries });
    if (!inner) throw new Error('an answer that is kept to nothing needs no guide');
    return new Guide(inner, { tries });
  }

  async #judge(constraint: Constraint): Promise<Judge> {
    const vocabulary = this.#vocabulary();
    const begins = new Map<HeldConstraint, () => Promise<GrammarJudge>>();
    for (const held of heldParts(constraint)) {
      const grammar = await compileGrammar(constraintEbnf(held));
      begins.set(held, () => GrammarJudge.create(grammar, vocabulary));
    }
    const begin = (held: HeldConstraint): Promise<GrammarJudge> => begins.get(held)!();
    if (constraint.type !== 'outline') return begin(constraint);
    return new OutlineJudge(constraint, {
      tokenizer: this.#tokenizer,
      vocabSize: this.#vocabSize,
      begin,
      escapes: this.#escapes,
    });
  }

  #limited({ prompt, reply, ...limit }: LimitBounds, inner: Judge | undefined): Judge {
    const tokenizer = this.#tokenizer;
    return new ThoughtLimitJudge(limit, {
      tokenizer,
      vocabSize: this.#vocabSize,
      reply,
      prompt: tokenizer.decode(prompt.slice(-PROMPT_END), { skipSpecial: false }),
      marks: marksOf(reply, tokenizer),
      ...(inner && { inner }),
    });
  }

  /** Special tokens are no text, and so never allowed. */
  #vocabulary(): JudgedVocabulary {
    if (this.#judged) return this.#judged;
    const tokenizer = this.#tokenizer;
    const ends = tokenizer.eosIds;
    if (ends.length === 0) {
      throw new UnsupportedError(
        'the model has no token that ends an answer, so its output cannot be constrained',
      );
    }
    const length = Math.min(tokenizer.vocabSize, this.#vocabSize);
    const none = new Uint8Array(0);
    const tokens = Array.from({ length }, (_, id) => (tokenizer.isSpecial(id) ? none : tokenizer.bytes(id)));
    this.#judged = {
      tokens,
      ends,
      ordered: new OrderedVocabulary(tokens),
      wellFormed: new WellFormed(tokens, ends, this.#vocabSize),
    };
    return this.#judged;
  }
}
