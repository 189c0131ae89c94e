/**
 * Keeps an answer to its grammar, token by token. It fails closed: what it cannot judge is an error of the request, and
 * no token passes that the grammar does not allow.
 */

import type { CompiledGrammar, GrammarMatcher } from '@mlc-ai/web-xgrammar';
import type { XGrammar } from './load-xgrammar.ts';

export class Guide {
  readonly #matcher: GrammarMatcher;
  #disposed = false;

  private constructor(matcher: GrammarMatcher) {
    this.#matcher = matcher;
  }

  static async create(library: XGrammar, grammar: CompiledGrammar): Promise<Guide> {
    return new Guide(await library.GrammarMatcher.createGrammarMatcher(grammar));
  }

  /** A bit per token, set where it may come next; ends of the answer among them. */
  async mask(): Promise<Int32Array> {
    return this.#matcher.getNextTokenBitmask();
  }

  /** @throws Error when the token does not fit */
  accept(id: number): void {
    if (!this.#matcher.acceptToken(id)) throw new Error(`token ${id} does not fit the constraint`);
  }

  /** Frees what the library holds; harmless when repeated. */
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
