/**
 * Tells by a grammar which tokens may come. The grammar is compiled for bytes, which takes milliseconds where a whole
 * vocabulary takes seconds, and serves every tokenizer; tokens are judged byte by byte. No token passes that leaves UTF-8.
 */

import type { CompiledGrammar, GrammarMatcher } from '@mlc-ai/web-xgrammar';
import { END } from './compile-grammar.ts';
import type { Judge } from './guide.ts';
import { loadXGrammar } from './load-xgrammar.ts';
import type { OrderedVocabulary } from './ordered-vocabulary.ts';
import { BETWEEN, type WellFormed } from './well-formed.ts';

/** The tokens of a model, as they are judged. */
export interface JudgedVocabulary {
  /** Each token's bytes, by id; none for what is no text. */
  readonly tokens: readonly Uint8Array[];
  /** Ids of tokens that end an answer. */
  readonly ends: readonly number[];
  readonly ordered: OrderedVocabulary;
  readonly wellFormed: WellFormed;
}

export class GrammarJudge implements Judge {
  readonly #matcher: GrammarMatcher;
  readonly #vocabulary: JudgedVocabulary;
  #state = BETWEEN;
  /** All that fit at this place, once they were found; or how many steps were too few to find them. */
  #exact: Int32Array | undefined;
  #tooFew = 0;
  #disposed = false;

  private constructor(matcher: GrammarMatcher, vocabulary: JudgedVocabulary) {
    this.#matcher = matcher;
    this.#vocabulary = vocabulary;
  }

  static async create(grammar: CompiledGrammar, vocabulary: JudgedVocabulary): Promise<GrammarJudge> {
    const { GrammarMatcher: Matchers } = (await loadXGrammar()).library;
    return new GrammarJudge(await Matchers.createGrammarMatcher(grammar), vocabulary);
  }

  mask(steps: number): Promise<Int32Array> {
    if (!this.#exact && steps > this.#tooFew) {
      this.#exact = this.#search(steps);
      this.#tooFew = steps;
    }
    return Promise.resolve(this.#exact ?? this.#vocabulary.wellFormed.mask(this.#state));
  }

  accept(id: number): boolean {
    const { wellFormed, ends, tokens } = this.#vocabulary;
    const state = wellFormed.after(this.#state, id);
    if (state === undefined) return false;
    if (!this.#push(ends.includes(id) ? [END] : (tokens[id] as Uint8Array))) return false;
    this.#state = state;
    this.#exact = undefined;
    this.#tooFew = 0;
    return true;
  }

  /** Whether the text could end here. */
  mayEnd(): boolean {
    if (!this.#push([END])) return false;
    this.#matcher.rollBack(1);
    return true;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#matcher.dispose();
  }

  /** Undefined where it would take more steps. */
  #search(steps: number): Int32Array | undefined {
    const { ordered, wellFormed, ends } = this.#vocabulary;
    const allowed = wellFormed.mask(this.#state);
    const mask = new Int32Array(allowed.length);
    const set = (id: number): void => {
      mask[id >> 5] = (mask[id >> 5] as number) | ((allowed[id >> 5] as number) & (1 << (id & 31)));
    };
    const matcher = this.#matcher;
    const all = ordered.search(
      (byte) => matcher.acceptToken(byte),
      (count) => matcher.rollBack(count),
      set,
      steps,
    );
    if (!all) return undefined;
    if (this.mayEnd()) ends.forEach(set);
    return mask;
  }

  /** Takes all of them or none. */
  #push(bytes: Iterable<number>): boolean {
    let taken = 0;
    for (const byte of bytes) {
      if (this.#matcher.acceptToken(byte)) taken++;
      else {
        if (taken > 0) this.#matcher.rollBack(taken);
        return false;
      }
    }
    return true;
  }
}
