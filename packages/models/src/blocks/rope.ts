/** Rotary position embedding as a block: one table of frequencies per graph, applied to queries and keys. */

import type { Value } from '@steelyard/graph';
import type { Step } from '../step.ts';
import { longRopeDivisors } from './long-rope.ts';
import type { RopeConfig } from './rope-config.ts';
import { ropeFrequencies } from './rope-frequencies.ts';

/** Turns x [T, H, D] by its positions. */
export type Rope = (x: Value) => Value;

/**
 * Adds the table of frequencies to the graph, under `name` where a model has several. GGUF files of Llama 3.1
 * and later carry its scaling as divisors, tensor `rope_freqs.weight`.
 */
export function createRope(step: Step, config: RopeConfig, name = 'rope.frequencies'): Rope {
  const { dims, theta, scaling, interleaved } = config;
  const stored = step.format === 'gguf' ? step.readTable('rope_freqs.weight', [dims / 2]) : undefined;
  const divisors = scaling.type === 'longrope' ? longRopeDivisors(step, scaling, dims) : stored;
  const table = ropeFrequencies(dims, theta, scaling).map((frequency, i) => frequency / (divisors?.[i] ?? 1));
  const frequencies = step.g.constant(name, Float32Array.from(table));
  const scale = 'attentionFactor' in scaling ? scaling.attentionFactor : 1;
  return (x) => step.g.rope(x, step.positions, frequencies, { interleaved, scale });
}
