/**
 * Keeps an answer to its constraint, token by token. It fails closed: what it cannot judge is an error of the request,
 * and no token passes that the constraint does not allow.
 */

import type { CompiledGrammar, GrammarMatcher } from '@mlc-ai/web-xgrammar';
import type { XGrammar } from './load-xgrammar.ts';

export interface Guide {
  /**
   * A bit per token, set where it may come next; ends of the answer among them. Of a guide that tries first, some that
   * do not fit.
   */
  mask(): Promise<Int32Array>;
  /**
   * Takes a token that the last mask allowed. False where a guide that tries first finds that it does not fit: the next
   * mask is without it.
   * @throws Error when it does not fit
   */
  accept(id: number): boolean;
  /** Frees what it holds; harmless when repeated. */
  dispose(): void;
}

/** Tokens tried before the mask of all is computed. */
const TRIES = 8;

/** By a grammar alone. */
export class GrammarGuide implements Guide {
  readonly #matcher: GrammarMatcher;
  /** Tokens to try first, where they are: to judge one takes microseconds, all of them may take a second. */
  readonly #tried: Int32Array | undefined;
  /** Tokens that were tried at this place and do not fit. */
  #refused: number[] = [];
  #disposed = false;

  private constructor(matcher: GrammarMatcher, tried: Int32Array | undefined) {
    this.#matcher = matcher;
    this.#tried = tried;
  }

  /** @param tried a bit per token that may be tried before a mask is computed; absent: none */
  static async create(
    library: XGrammar,
    grammar: CompiledGrammar,
    tried?: Int32Array,
  ): Promise<GrammarGuide> {
    return new GrammarGuide(await library.GrammarMatcher.createGrammarMatcher(grammar), tried);
  }

  async mask(): Promise<Int32Array> {
    if (this.#tried === undefined || this.#refused.length >= TRIES)
      return this.#matcher.getNextTokenBitmask();
    const mask = this.#tried.slice();
    for (const id of this.#refused) mask[id >> 5] = (mask[id >> 5] as number) & ~(1 << (id & 31));
    return mask;
  }

  accept(id: number): boolean {
    if (this.tryAccept(id)) {
      this.#refused = [];
      return true;
    }
    if (this.#tried === undefined || this.#refused.length >= TRIES) {
      throw new Error(`token ${id} does not fit the constraint`);
    }
    this.#refused.push(id);
    return false;
  }

  /** Whether the token fits; if it does, it is taken. */
  tryAccept(id: number): boolean {
    return this.#matcher.acceptToken(id);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#matcher.dispose();
  }
}

/** Sets the logits [vocab] of tokens whose bit is not set to -Infinity, in place. */
export function applyMask(logits: Float32Array, mask: Int32Array): void {
  for (let word = 0, id = 0; id < logits.length; word++, id += 32) {
    // Ids beyond the mask are padding of the model's, no tokens.
    const bits = mask[word] ?? 0;
    if (bits === -1) continue;
    const end = Math.min(id + 32, logits.length);
    if (bits === 0) logits.fill(-Infinity, id, end);
    else for (let at = id; at < end; at++) if (!((bits >>> (at - id)) & 1)) logits[at] = -Infinity;
  }
}
