/**
 * Keeps an answer to an outline: several paths side by side, of which those are left that fit what has come. A path's
 * next part begins when a literal is complete, a mark has come, or a grammar could end and the next literal begins.
 */

import type { Tokenizer } from '@steelyard/text';
import { bits } from './bits.ts';
import type { Constraint, HeldConstraint, OutlinePart } from './constraint.ts';
import type { GrammarJudge } from './grammar-judge.ts';
import type { Judge } from './guide.ts';

type Step =
  | { readonly ids: readonly number[] }
  | { readonly until: string; readonly mayEnd: boolean }
  | { readonly held: HeldConstraint }
  | { readonly again: true };

/** Ids of tokens that complete a mark and bring other text along, by the mark and how much of it is there. */
export type Escapes = Map<string, readonly number[]>;

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
  judge?: GrammarJudge;
  /** Whether the held part could end here, and what follows begin. */
  mayEnd?: boolean;
}

export interface OutlineTools {
  readonly tokenizer: Tokenizer;
  readonly vocabSize: number;
  readonly begin: (held: HeldConstraint) => Promise<GrammarJudge>;
  /** Kept between guides of one tokenizer. */
  readonly escapes?: Escapes;
}

export class OutlineJudge implements Judge {
  readonly #tokenizer: Tokenizer;
  readonly #begin: (held: HeldConstraint) => Promise<GrammarJudge>;
  /** Bits of all tokens, and of those that end an answer. */
  readonly #all: Int32Array;
  readonly #ends: Int32Array;
  readonly #escapes: Escapes;
  readonly #loop: readonly (readonly Step[])[];
  #walks: readonly Walk[];

  /** @param begin starts the grammar of a held part, compiled before */
  constructor(
    { paths, loop = [] }: Extract<Constraint, { type: 'outline' }>,
    { tokenizer, vocabSize, begin, escapes = new Map<string, readonly number[]>() }: OutlineTools,
  ) {
    this.#tokenizer = tokenizer;
    this.#begin = begin;
    this.#escapes = escapes;
    const stepsOf = (path: readonly OutlinePart[]) => path.flatMap((part) => this.#step(part));
    this.#loop = loop.map(stepsOf);
    const ids = Array.from({ length: Math.min(tokenizer.vocabSize, vocabSize) }, (_, id) => id);
    this.#all = bits(ids, vocabSize);
    this.#ends = bits(tokenizer.eosIds, vocabSize);
    this.#walks = paths.flatMap((path) => this.#begun(stepsOf(path), 0));
  }

  async mask(steps: number): Promise<Int32Array> {
    const masks: Int32Array[] = [];
    for (const walk of this.#walks) masks.push(await this.#maskOf(walk, steps));
    return masks.reduce(union);
  }

  accept(id: number): boolean {
    const before = this.#walks;
    const after = before.flatMap((walk) => this.#after(walk, id));
    if (after.length === 0) return false;
    this.#walks = after;
    const kept = new Set(after.map(({ judge }) => judge));
    for (const { judge } of before) if (judge && !kept.has(judge)) judge.dispose();
    return true;
  }

  dispose(): void {
    for (const { judge } of this.#walks) judge?.dispose();
  }

  /** None for an empty literal. */
  #step(part: OutlinePart): Step[] {
    if ('held' in part || 'again' in part) return [part];
    if ('until' in part) {
      const until = toBytes(new TextEncoder().encode(part.until));
      return [{ until, mayEnd: part.mayEnd ?? false }];
    }
    const ids = this.#tokenizer.encode(part.literal, { addSpecial: false, parseSpecial: true });
    return ids.length > 0 ? [{ ids }] : [];
  }

  async #maskOf(walk: Walk, steps: number): Promise<Int32Array> {
    const step = walk.steps[walk.at];
    if (!step) return this.#ends;
    if ('ids' in step) return bits([step.ids[walk.place] as number], 32 * this.#all.length);
    if ('again' in step) throw new Error('a path goes on behind its end');
    if ('until' in step) return this.#freeMask(step, walk.tail);
    walk.judge ??= await this.#begin(step.held);
    const mask = await walk.judge.mask(steps);
    if (!walk.steps[walk.at + 1]) return mask;
    walk.mayEnd = walk.judge.mayEnd();
    const inside = mask.map((word, i) => word & ~(this.#ends[i] ?? 0));
    if (!walk.mayEnd) return inside;
    const masks: Int32Array[] = [inside];
    for (const way of this.#begun(walk.steps, walk.at + 1)) masks.push(await this.#maskOf(way, steps));
    return masks.reduce(union);
  }

  /** All but what ends the answer too early, or would bring text along with the mark. */
  #freeMask({ until, mayEnd }: Extract<Step, { until: string }>, tail: string): Int32Array {
    const left = bits(this.#escaping(until, begunPart(until, tail)), 32 * this.#all.length);
    const ends = mayEnd ? undefined : this.#ends;
    return this.#all.map((word, i) => word & ~(ends?.[i] ?? 0) & ~(left[i] as number));
  }

  #escaping(mark: string, begunBy: string): readonly number[] {
    const key = `${mark}\0${begunBy}`;
    const known = this.#escapes.get(key);
    if (known) return known;
    const found: number[] = [];
    for (let id = 0; id < this.#tokenizer.vocabSize; id++) {
      const text = begunBy + toBytes(this.#tokenizer.bytes(id));
      const at = text.indexOf(mark);
      if (at >= 0 && text.slice(at + mark.length).trim() !== '') found.push(id);
    }
    this.#escapes.set(key, found);
    return found;
  }

  /** A path from a step on; past its last, from the beginnings of the loop. */
  #begun(steps: readonly Step[], at: number): Walk[] {
    const step = steps[at];
    if (step && 'again' in step)
      return this.#loop.map((again) => ({ steps: again, at: 0, place: 0, tail: '' }));
    return [{ steps, at, place: 0, tail: '' }];
  }

  /** The ways on with this token: none, one, or two where it continues a held part and could begin what follows. */
  #after(walk: Walk, id: number): Walk[] {
    const { steps, at, place, tail, judge, mayEnd = false } = walk;
    const step = steps[at];
    const isEnd = this.#tokenizer.eosIds.includes(id);
    if (!step) return isEnd ? [walk] : [];
    if ('ids' in step) {
      if (step.ids[place] !== id) return [];
      return place + 1 < step.ids.length ? [{ ...walk, place: place + 1 }] : this.#begun(steps, at + 1);
    }
    if ('again' in step) return [];
    if ('until' in step) {
      if (isEnd) return step.mayEnd ? [{ ...walk, at: steps.length }] : [];
      return this.#afterFree(walk, step.until, tail + toBytes(this.#tokenizer.bytes(id)));
    }
    const ways = mayEnd ? this.#begun(steps, at + 1).flatMap((way) => this.#after(way, id)) : [];
    if (isEnd && steps[at + 1]) return ways;
    return judge?.accept(id) ? [{ ...walk, mayEnd: false }, ...ways] : ways;
  }

  /** White space behind a mark that its token brings along counts as nothing; other text would escape what follows. */
  #afterFree(walk: Walk, mark: string, text: string): Walk[] {
    const found = text.indexOf(mark);
    if (found < 0) return [{ ...walk, tail: text.slice(1 - mark.length) }];
    return text.slice(found + mark.length).trim() === '' ? this.#begun(walk.steps, walk.at + 1) : [];
  }
}

/** The longest end of the text that begins the mark. */
function begunPart(mark: string, text: string): string {
  for (let length = Math.min(mark.length - 1, text.length); length > 0; length--)
    if (text.endsWith(mark.slice(0, length))) return mark.slice(0, length);
  return '';
}

function union(a: Int32Array, b: Int32Array): Int32Array {
  return a.map((word, i) => word | (b[i] ?? 0));
}

/** Bytes as characters of the same number, so that a mark is found in the midst of a character as well. */
function toBytes(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
