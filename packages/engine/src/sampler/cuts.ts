/**
 * What may be drawn, and how likely each token is then. Temperature first, then each cut keeps a run of the
 * likeliest: top-k keeps k tokens; top-p the fewest whose share of what top-k left reaches p (Holtzman et al. 2019,
 * arXiv:1904.09751); min-p those at least p times as likely as the likeliest (Nguyen et al. 2024, arXiv:2407.01082).
 *
 * Floor: a pass or two over the vocabulary, V reads each; V exponentials unless top-k is set. Nothing is sorted but
 * the few dozen tokens where selection ends.
 */

import { exponential } from '@steelyard/graph';
import type { SamplingOptions } from '../types.ts';
import type { SamplerScratch } from './scratch.ts';
import { endOfMass, precedes } from './select.ts';

/** Nearly always holds all that top-p keeps, in few tokens. */
const LIKELY = 1e-3;
/** So far below the largest logit top-k looks for its tokens, the nearest first. */
const DEPTHS = [8, 24, Infinity];

export interface Weighed {
  /** Sum of the weights of what may be drawn. */
  readonly total: number;
  /** So many tokens are left, in `scratch.ids`, with `scratch.weights` at their ids; absent: every token, in order. */
  readonly count?: number;
}

/**
 * Weighs tokens by their probabilities relative to the likeliest's, into `scratch`.
 * @param top the largest logit
 */
export function weigh(
  logits: Float32Array,
  top: number,
  options: SamplingOptions,
  scratch: SamplerScratch,
): Weighed {
  const { temperature = 1, topK = 0, topP = 1, minP = 0 } = options;
  const { rows, weights, sums, ids } = scratch;
  const scale = 1 / temperature;
  if (topK > 0 && topK < logits.length) {
    const count = keepLargest(logits, top, topK, scratch);
    const total = sumOf(
      ids,
      count,
      (id) => (weights[id] = exponential(((logits[id] as number) - top) * scale)),
    );
    return cut(logits, { total, count }, topP * total, minP, scratch);
  }
  const total = rows.weigh(logits, top, scale, weights, sums);
  if (topP >= 1 && minP <= 0) return { total };
  const target = topP * total;
  const floor = Math.max(LIKELY, minP);
  // A little lower than the floor, so that rounding leaves none out that is on it.
  const likely = rows.atLeast(logits, top + (Math.log(floor) * 1.000001 - 0.000001) * temperature, ids);
  const mass = sumOf(ids, likely, (id) => weights[id] as number);
  const count = mass < target && minP < LIKELY ? rows.atLeast(logits, -Infinity, ids) : likely;
  return cut(logits, { total, count }, target, minP, scratch);
}

/** Puts the `count` tokens that come first in order, or all that are numbers, into `ids`; returns how many. */
function keepLargest(logits: Float32Array, top: number, count: number, scratch: SamplerScratch): number {
  const { rows, ids } = scratch;
  for (const depth of DEPTHS) {
    const found = rows.atLeast(logits, top - depth, ids);
    if (found < count) continue;
    return keepThrough(logits, endOfMass(ids, found, logits, count), scratch);
  }
  return rows.atLeast(logits, -Infinity, ids);
}

/** Of the tokens in `ids`, those of at least `minP`, of them the first in order whose weights reach `target`. */
function cut(
  logits: Float32Array,
  { total, count: given }: Required<Weighed>,
  target: number,
  minP: number,
  scratch: SamplerScratch,
): Weighed {
  const { weights, ids } = scratch;
  // One of weight 0 is never drawn.
  const least = Math.max(minP, Number.MIN_VALUE);
  let count = 0;
  for (let i = 0; i < given; i++) {
    const id = ids[i] as number;
    if ((weights[id] as number) >= least) ids[count++] = id;
  }
  // NaN stays, so that who draws sees it.
  if (count === 0) return { total, count };
  // Never 0, so that at least the likeliest is kept.
  if (target < total) {
    const last = endOfMass(ids, count, logits, Math.max(target, Number.MIN_VALUE), weights);
    count = keepThrough(logits, last, scratch);
  }
  return { total: sumOf(ids, count, (id) => weights[id] as number), count };
}

/** Puts the tokens that do not come after `last` into `ids`, in order of id, which selection left in none. */
function keepThrough(logits: Float32Array, last: number, { rows, ids }: SamplerScratch): number {
  const found = rows.atLeast(logits, logits[last] as number, ids);
  let kept = 0;
  for (let i = 0; i < found; i++) {
    const id = ids[i] as number;
    if (id === last || precedes(logits, id, last)) ids[kept++] = id;
  }
  return kept;
}

function sumOf(ids: Uint32Array, count: number, valueOf: (id: number) => number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total += valueOf(ids[i] as number);
  return total;
}
