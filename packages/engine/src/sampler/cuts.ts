/**
 * The tokens that may be drawn: temperature, then top-k, top-p and min-p, each over what the one before left.
 * top-p: Holtzman et al. 2019, arXiv:1904.09751. min-p: Nguyen et al. 2024, arXiv:2407.01082.
 */

import type { SamplingOptions } from '../types.ts';
import { largest } from './select.ts';

export interface Candidates {
  /** Absent: every token, in order of id. */
  readonly ids?: readonly number[];
  /** Unnormalised probabilities, the likeliest being 1. */
  readonly weights: Float64Array;
}

/** Candidates in order: likeliest first where a cut applies, else by id. Temperature must be above 0. */
export function candidates(logits: Float32Array, options: SamplingOptions): Candidates {
  const temperature = options.temperature ?? 1;
  const { topK = 0, topP = 1, minP = 0 } = options;
  let top = -Infinity;
  for (let i = 0; i < logits.length; i++) if ((logits[i] as number) > top) top = logits[i] as number;
  const weigh = (id: number): number => Math.exp(((logits[id] as number) - top) / temperature);
  if (topK > 0 && topK < logits.length) {
    const ids = largest(logits, topK);
    return cutTail(ids, Float64Array.from(ids, weigh), topP, minP);
  }
  const weights = new Float64Array(logits.length);
  let total = 0;
  for (let i = 0; i < weights.length; i++) {
    const weight = weigh(i);
    weights[i] = weight;
    total += weight;
  }
  if (topP >= 1 && minP <= 0) return { weights };
  const ids = likeliest(weights, total, topP, minP);
  return cutTail(
    ids,
    Float64Array.from(ids, (id) => weights[id] as number),
    topP,
    minP,
    total,
  );
}

/** Ids sorted by weight that surely contain what top-p and min-p keep; only as many as needed are sorted. */
function likeliest(weights: Float64Array, total: number, topP: number, minP: number): number[] {
  for (let floor = Math.max(minP, 1e-2); ; floor = Math.max(minP, floor / 100)) {
    const last = floor <= minP || floor < 1e-14;
    const ids: number[] = [];
    let mass = 0;
    for (let i = 0; i < weights.length; i++) {
      const weight = weights[i] as number;
      if (weight >= (last ? minP : floor)) {
        ids.push(i);
        mass += weight;
      }
    }
    if (last || mass >= topP * total) {
      return ids.sort((a, b) => (weights[b] as number) - (weights[a] as number) || a - b);
    }
  }
}

/** Keeps the shortest prefix whose share reaches top-p, then what is at least min-p of the likeliest. */
function cutTail(
  ids: number[],
  weights: Float64Array,
  topP: number,
  minP: number,
  total?: number,
): Candidates {
  const mass = total ?? weights.reduce((a, b) => a + b, 0);
  let kept = 0;
  for (let sum = 0; kept < weights.length && (kept === 0 || sum < topP * mass); kept++)
    sum += weights[kept] as number;
  while (kept > 1 && (weights[kept - 1] as number) < minP * (weights[0] as number)) kept--;
  return { ids: ids.slice(0, kept), weights: weights.subarray(0, kept) };
}
