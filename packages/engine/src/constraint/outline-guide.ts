/**
 * Keeps an answer to an outline: several paths side by side, of which those are left that fit what has come. A path's
 * next part begins when a literal is complete, a mark has come, or a grammar could end and the next literal begins.
 */

import type { Tokenizer } from '@steelyard/text';
import { bits } from './bits.ts';
import type { HeldConstraint, OutlinePart } from './constraint.ts';
import type { GrammarGuide, Guide } from './guide.ts';

type Step =
  { readonly ids: readonly number[] } | { readonly until: string } | { readonly held: HeldConstraint };

/** One path and how far it is. */
interface Walk {
  readonly steps: readonly Step[];
  /** Step; past the last, only the end of the answer is left. */
  readonly at: number;
  /** Tokens of a literal that have come. */
  readonly place: number;
  /** Bytes before which a mark may begin. */
  readonly tail: string;
  /** Of a held part; made when its first mask is wanted. */
  guide?: GrammarGuide;
  /** Whether the held part could end here. */
  mayEnd?: boolean;
}

export class OutlineGuide implements Guide {
  readonly #tokenizer: Tokenizer;
  readonly #begin: (held: HeldConstraint) => Promise<GrammarGuide>;
  /** Bits of all tokens, and of those that end an answer. */
  readonly #all: Int32Array;
  readonly #ends: Int32Array;
  #walks: readonly Walk[];

  /** @param begin starts the grammar of a held part, compiled before */
  constructor(
    paths: readonly (readonly OutlinePart[])[],
    tokenizer: Tokenizer,
    vocabSize: number,
    begin: (held: HeldConstraint) => Promise<GrammarGuide>,
  ) {
    this.#tokenizer = tokenizer;
    this.#begin = begin;
    const ids = Array.from({ length: Math.min(tokenizer.vocabSize, vocabSize) }, (_, id) => id);
    this.#all = bits(ids, vocabSize);
    this.#ends = bits(tokenizer.eosIds, vocabSize);
    this.#walks = paths.map((path) =>
      begun(
        path.flatMap((part) => this.#step(part)),
        0,
      ),
    );
  }

  async mask(): Promise<Int32Array> {
    const masks: Int32Array[] = [];
    for (const walk of this.#walks) masks.push(await this.#maskOf(walk));
    return masks.reduce(union);
  }

  accept(id: number): void {
    const before = this.#walks;
    this.#walks = before.flatMap((walk) => this.#after(walk, id));
    const kept = new Set(this.#walks.map(({ guide }) => guide));
    for (const { guide } of before) if (guide && !kept.has(guide)) guide.dispose();
    if (this.#walks.length === 0) throw new Error(`token ${id} does not fit the constraint`);
  }

  dispose(): void {
    for (const { guide } of this.#walks) guide?.dispose();
  }

  /** None for an empty literal. */
  #step(part: OutlinePart): Step[] {
    if ('held' in part) return [part];
    if ('until' in part) return [{ until: toBytes(new TextEncoder().encode(part.until)) }];
    const ids = this.#tokenizer.encode(part.literal, { addSpecial: false, parseSpecial: true });
    return ids.length > 0 ? [{ ids }] : [];
  }

  async #maskOf(walk: Walk): Promise<Int32Array> {
    const step = walk.steps[walk.at];
    if (!step) return this.#ends;
    if ('ids' in step) return bits([step.ids[walk.place] as number], 32 * this.#all.length);
    if ('until' in step) return this.#all.map((word, i) => word & ~(this.#ends[i] as number));
    walk.guide ??= await this.#begin(step.held);
    const mask = await walk.guide.mask();
    const next = walk.steps[walk.at + 1];
    if (!next) return mask;
    walk.mayEnd = mask.some((word, i) => (word & (this.#ends[i] ?? 0)) !== 0);
    const inside = mask.map((word, i) => word & ~(this.#ends[i] ?? 0));
    return walk.mayEnd ? union(inside, await this.#maskOf(begun(walk.steps, walk.at + 1))) : inside;
  }

  /** The ways on with this token: none, one, or two where it continues a held part and could begin what follows. */
  #after(walk: Walk, id: number): Walk[] {
    const { steps, at, place, tail, guide, mayEnd = false } = walk;
    const step = steps[at];
    if (!step) return this.#tokenizer.eosIds.includes(id) ? [walk] : [];
    if ('ids' in step) {
      if (step.ids[place] !== id) return [];
      return [place + 1 < step.ids.length ? { ...walk, place: place + 1 } : begun(steps, at + 1)];
    }
    if ('until' in step) return this.#afterFree(walk, step.until, tail + toBytes(this.#tokenizer.bytes(id)));
    const ways = mayEnd ? this.#after(begun(steps, at + 1), id) : [];
    return guide?.tryAccept(id) ? [{ ...walk, mayEnd: false }, ...ways] : ways;
  }

  /** White space behind a mark that its token brings along counts as nothing; other text would escape what follows. */
  #afterFree(walk: Walk, mark: string, text: string): Walk[] {
    const found = text.indexOf(mark);
    if (found < 0) return [{ ...walk, tail: text.slice(1 - mark.length) }];
    return text.slice(found + mark.length).trim() === '' ? [begun(walk.steps, walk.at + 1)] : [];
  }
}

function begun(steps: readonly Step[], at: number): Walk {
  return { steps, at, place: 0, tail: '' };
}

function union(a: Int32Array, b: Int32Array): Int32Array {
  return a.map((word, i) => word | (b[i] ?? 0));
}

/** Bytes as characters of the same number, so that a mark is found in the midst of a character as well. */
function toBytes(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
