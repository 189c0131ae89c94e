/**
 * Keeps an answer to its constraint, token by token. It fails closed: what it cannot judge is an error of the request,
 * and no token passes that the constraint does not allow.
 */

import type { CompiledGrammar, GrammarMatcher } from '@mlc-ai/web-xgrammar';
import type { XGrammar } from './load-xgrammar.ts';

export interface Guide {
  /** A bit per token, set where it may come next; ends of the answer among them. */
  mask(): Promise<Int32Array>;
  /** Takes a token that the last mask allowed. @throws Error when it does not fit */
  accept(id: number): void;
  /** Frees what it holds; harmless when repeated. */
  dispose(): void;
}

/** By a grammar alone. */
export class GrammarGuide implements Guide {
  readonly #matcher: GrammarMatcher;
  #disposed = false;

  private constructor(matcher: GrammarMatcher) {
    this.#matcher = matcher;
  }

  static async create(library: XGrammar, grammar: CompiledGrammar): Promise<GrammarGuide> {
    return new GrammarGuide(await library.GrammarMatcher.createGrammarMatcher(grammar));
  }

  async mask(): Promise<Int32Array> {
    return this.#matcher.getNextTokenBitmask();
  }

  accept(id: number): void {
    if (!this.tryAccept(id)) throw new Error(`token ${id} does not fit the constraint`);
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
