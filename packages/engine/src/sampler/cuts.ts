/**
 * What may be drawn, and how likely each token is then. Temperature first, then each cut keeps a run of the
 * likeliest: top-k keeps k tokens; top-p the fewest whose share of what top-k left reaches p (Holtzman et al. 2019,
 * arXiv:1904.09751); min-p those at least p times as likely as the likeliest (Nguyen et al. 2024, arXiv:2407.01082).
 *
 * Floor: a few passes over the vocabulary, V reads each; V exponentials unless top-k is set. Nothing is sorted but
 * the few dozen tokens where selection ends.
 */

import type { SamplingOptions } from '../types.ts';
import type { SamplerScratch } from './scratch.ts';
import { exponential } from './exponential.ts';
import { endOfMass, largest } from './select.ts';

/** Up to this many tokens a heap finds top-k faster than selection does. */
const HEAP_LIMIT = 1024;
/** Nearly always holds all that top-p keeps, in few tokens. */
const LIKELY = 1e-3;

/**
 * Fills `scratch.weights` [vocab] with probabilities relative to the likeliest token's, 0 for what is cut, and
 * returns their sum.
 * @param top the largest logit
 */
export function weigh(
  logits: Float32Array,
  top: number,
  options: SamplingOptions,
  scratch: SamplerScratch,
): number {
  const { temperature = 1, topK = 0, topP = 1, minP = 0 } = options;
  const { weights, ids } = scratch;
  const total =
    topK > 0 && topK < logits.length
      ? fillThrough(logits, lastOfTopK(logits, ids, topK), top, temperature, weights)
      : fill(logits, top, temperature, weights);
  if (topP >= 1 && minP <= 0) return total;
  // Never 0, so that at least the likeliest is kept.
  const target = Math.max(topP * total, Number.MIN_VALUE);
  let likely = collect(weights, Math.max(LIKELY, minP), ids);
  if (likely.mass < target && minP < LIKELY) likely = collect(weights, minP, ids);
  const last = endOfMass(ids, likely.count, logits, topP < 1 ? target : Infinity, weights);
  return keepThrough(logits, last, weights);
}

function lastOfTopK(logits: Float32Array, ids: Uint32Array, k: number): number {
  if (k <= HEAP_LIMIT) return largest(logits, k).at(-1) as number;
  for (let i = 0; i < logits.length; i++) ids[i] = i;
  return endOfMass(ids, logits.length, logits, k);
}

function fill(logits: Float32Array, top: number, temperature: number, weights: Float64Array): number {
  let total = 0;
  for (let id = 0; id < logits.length; id++) {
    const weight = exponential(((logits[id] as number) - top) / temperature);
    weights[id] = weight;
    total += weight;
  }
  return total;
}

/** The same for the tokens up to `last` in order, 0 for the others. */
function fillThrough(
  logits: Float32Array,
  last: number,
  top: number,
  temperature: number,
  weights: Float64Array,
): number {
  const lowest = logits[last] as number;
  let total = 0;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] as number;
    const kept = logit > lowest || (logit === lowest && id <= last);
    const weight = kept ? exponential((logit - top) / temperature) : 0;
    weights[id] = weight;
    total += weight;
  }
  return total;
}

/** Sets the weights of tokens after `last` in order to 0 and returns the sum of the others. */
function keepThrough(logits: Float32Array, last: number, weights: Float64Array): number {
  const lowest = logits[last] as number;
  let total = 0;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] as number;
    if (logit > lowest || (logit === lowest && id <= last)) total += weights[id] as number;
    else weights[id] = 0;
  }
  return total;
}

/** Puts the ids of the tokens whose weight is at least `floor`, and not 0, into `ids`. */
function collect(weights: Float64Array, floor: number, ids: Uint32Array): { count: number; mass: number } {
  const least = Math.max(floor, Number.MIN_VALUE);
  let count = 0;
  let mass = 0;
  for (let id = 0; id < weights.length; id++) {
    const weight = weights[id] as number;
    if (weight < least) continue;
    ids[count++] = id;
    mass += weight;
  }
  return { count, mass };
}
