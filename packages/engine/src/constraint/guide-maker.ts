/** Makes guides for one tokenizer: its vocabulary as xgrammar needs it, and compiled grammars, the last used kept. */

import type { CompiledGrammar, GrammarCompiler } from '@mlc-ai/web-xgrammar';
import { RequestError, UnsupportedError } from '@steelyard/core';
import type { ReplyFormat, Tokenizer } from '@steelyard/text';
import { marksOf, PROMPT_END } from '../answer.ts';
import { bits } from './bits.ts';
import { constraintEbnf, heldParts, type Constraint, type HeldConstraint } from './constraint.ts';
import { GrammarGuide, type Guide } from './guide.ts';
import { loadXGrammar, type LoadedXGrammar } from './load-xgrammar.ts';
import { OutlineGuide, type Escapes } from './outline-guide.ts';
import { ThoughtLimitGuide, type ThoughtLimit } from './thought-limit.ts';

/** Compiled grammars to keep; each takes up to a few megabytes. */
const KEPT = 32;

/** From so many repetitions on, xgrammar's mask of a place among them takes longer than a step of a small model. */
const FAR = 40;

/** Whether a grammar counts repetitions that far. */
function countsFar(ebnf: string): boolean {
  for (const [, min, max] of ebnf.matchAll(/\{(\d+),(\d*)\}/g))
    if (Math.max(Number(min), Number(max)) > FAR) return true;
  return false;
}

interface Compiler {
  readonly loaded: LoadedXGrammar;
  readonly compiler: GrammarCompiler;
}

export class GuideMaker {
  readonly #tokenizer: Tokenizer;
  readonly #vocabSize: number;
  /** By grammar text; the least recently used first. */
  readonly #compiled = new Map<string, Promise<CompiledGrammar>>();
  readonly #escapes: Escapes = new Map();
  #compiler: Promise<Compiler> | undefined;

  /** @param vocabSize of the logits, which may be more than the tokenizer's */
  constructor(tokenizer: Tokenizer, vocabSize: number) {
    this.#tokenizer = tokenizer;
    this.#vocabSize = vocabSize;
  }

  /**
   * Every grammar is compiled before the answer begins.
   * @param tries whether a token may be tried before a mask is computed, where that is dear (see `Guide.accept`)
   * @throws RequestError when xgrammar refuses a grammar, UnsupportedError when it cannot run
   */
  async make(constraint: Constraint, { tries = false }: { readonly tries?: boolean } = {}): Promise<Guide> {
    this.#compiler ??= this.#start();
    const { loaded } = await this.#compiler;
    const grammars = new Map<HeldConstraint, CompiledGrammar>();
    for (const held of heldParts(constraint)) grammars.set(held, await this.#compile(constraintEbnf(held)));
    const begin = (held: HeldConstraint): Promise<GrammarGuide> =>
      GrammarGuide.create(loaded.library, grammars.get(held) as CompiledGrammar);
    if (constraint.type !== 'outline') {
      const tried = tries && countsFar(constraintEbnf(constraint)) ? this.#words() : undefined;
      return GrammarGuide.create(loaded.library, grammars.get(constraint) as CompiledGrammar, tried);
    }
    return new OutlineGuide(constraint, {
      tokenizer: this.#tokenizer,
      vocabSize: this.#vocabSize,
      begin,
      escapes: this.#escapes,
    });
  }

  /** A guide that ends thoughts which take too long, around another or alone. */
  limit(
    limit: ThoughtLimit,
    { prompt, reply, inner }: { prompt: readonly number[]; reply: ReplyFormat; inner: Guide | undefined },
  ): Guide {
    const tokenizer = this.#tokenizer;
    return new ThoughtLimitGuide(limit, {
      tokenizer,
      vocabSize: this.#vocabSize,
      reply,
      prompt: tokenizer.decode(prompt.slice(-PROMPT_END), { skipSpecial: false }),
      marks: marksOf(reply, tokenizer),
      ...(inner && { inner }),
    });
  }

  async #start(): Promise<Compiler> {
    const { eosIds } = this.#tokenizer;
    if (eosIds.length === 0) {
      throw new UnsupportedError(
        'the model has no token that ends an answer, so its output cannot be constrained',
      );
    }
    const loaded = await loadXGrammar();
    const { TokenizerInfo, GrammarCompiler: Compilers } = loaded.library;
    const info = await TokenizerInfo.createTokenizerInfo(
      this.#vocabulary() as unknown as string[],
      'raw',
      false,
      this.#vocabSize,
      [...eosIds],
    );
    return { loaded, compiler: await Compilers.createGrammarCompiler(info, false) };
  }

  /** A bit per token that is text or ends an answer. */
  #words(): Int32Array {
    const words = this.#vocabulary().flatMap((bytes, id) => (bytes.length > 0 ? [id] : []));
    return bits([...words, ...this.#tokenizer.eosIds], this.#vocabSize);
  }

  /** Each token's bytes, which need not be whole characters; special tokens are no text, and so never allowed. */
  #vocabulary(): Uint8Array[] {
    const tokenizer = this.#tokenizer;
    const length = Math.min(tokenizer.vocabSize, this.#vocabSize);
    const none = new Uint8Array(0);
    return Array.from({ length }, (_, id) => (tokenizer.isSpecial(id) ? none : tokenizer.bytes(id)));
  }

  #compile(ebnf: string): Promise<CompiledGrammar> {
    const known = this.#compiled.get(ebnf);
    this.#compiled.delete(ebnf);
    const compiled = known ?? this.#compileNew(ebnf);
    this.#compiled.set(ebnf, compiled);
    for (const [oldest, old] of this.#compiled) {
      if (this.#compiled.size <= KEPT) break;
      this.#compiled.delete(oldest);
      // Matchers that run hold what they need of it themselves.
      void old.then((grammar) => grammar.dispose()).catch(() => undefined);
    }
    return compiled;
  }

  async #compileNew(ebnf: string): Promise<CompiledGrammar> {
    const { loaded, compiler } = await this.#compiler!;
    loaded.complaint();
    try {
      return await compiler.compileGrammar(ebnf);
    } catch (error) {
      this.#compiled.delete(ebnf);
      const why = loaded.complaint() ?? String(error);
      throw new RequestError(`the constraint's grammar cannot be compiled: ${why}`, 'constraint');
    }
  }
}
