/**
 * Which tokens may be drawn. Each cut keeps a run of the likeliest, so a cut is told by its last token:
 * top-k keeps k tokens; top-p the fewest whose share of what top-k left reaches p (Holtzman et al. 2019,
 * arXiv:1904.09751); min-p those at least p times as likely as the likeliest (Nguyen et al. 2024, arXiv:2407.01082).
 */

import type { SamplingOptions } from '../types.ts';
import { endOfMass, largest, precedes } from './select.ts';

/** Up to this many tokens a heap finds top-k faster than selection does. */
const HEAP_LIMIT = 1024;
/** Nearly always holds all that top-p keeps, in few tokens. */
const LIKELY = 1e-3;

/**
 * The last token kept, in order of `precedes`; undefined when all are.
 * @param weights [vocab] probabilities relative to the likeliest token's
 * @param scratch [vocab], overwritten
 */
export function lastKept(
  logits: Float32Array,
  weights: Float64Array,
  scratch: Uint32Array,
  { topK = 0, topP = 1, minP = 0 }: SamplingOptions,
): number | undefined {
  const byRank = topK > 0 && topK < logits.length ? lastOfTopK(logits, scratch, topK) : undefined;
  if (topP >= 1 && minP <= 0) return byRank;
  // Never 0, so that at least the likeliest is kept.
  const target = Math.max(topP * massThrough(logits, weights, byRank), Number.MIN_VALUE);
  let likely = collect(logits, weights, scratch, Math.max(LIKELY, minP), byRank);
  if (likely.mass < target && minP < LIKELY) likely = collect(logits, weights, scratch, minP, byRank);
  return endOfMass(scratch, likely.count, logits, topP < 1 ? target : Infinity, weights);
}

function lastOfTopK(logits: Float32Array, scratch: Uint32Array, k: number): number {
  if (k <= HEAP_LIMIT) return largest(logits, k).at(-1) as number;
  for (let i = 0; i < logits.length; i++) scratch[i] = i;
  return endOfMass(scratch, logits.length, logits, k);
}

/** Whether a token is among those up to `last` in the order. */
export function isKept(logits: Float32Array, id: number, last: number | undefined): boolean {
  return last === undefined || id === last || precedes(logits, id, last);
}

/** Sum of the weights of what is kept, in order of id. */
export function massThrough(logits: Float32Array, weights: Float64Array, last: number | undefined): number {
  let mass = 0;
  for (let id = 0; id < weights.length; id++) {
    if (isKept(logits, id, last)) mass += weights[id] as number;
  }
  return mass;
}

/** Puts the ids of the tokens up to `last` whose weight is at least `floor` into `scratch`. */
function collect(
  logits: Float32Array,
  weights: Float64Array,
  scratch: Uint32Array,
  floor: number,
  last: number | undefined,
): { count: number; mass: number } {
  let [count, mass] = [0, 0];
  for (let id = 0; id < weights.length; id++) {
    const weight = weights[id] as number;
    if (weight < floor || !isKept(logits, id, last)) continue;
    scratch[count++] = id;
    mass += weight;
  }
  return { count, mass };
}
