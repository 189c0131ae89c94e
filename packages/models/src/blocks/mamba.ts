/**
 * Mamba layers as Jamba has them: a short convolution, a selective scan whose step and weights are normalised, and a
 * gate. Both recurrences keep their states in a slot for each sequence.
 * @see Gu and Dao 2023, arXiv:2312.00752; Lieber et al. 2024, arXiv:2403.19887, section 3.2
 */

import { UnsupportedError } from '@steelyard/core';
import type { Value } from '@steelyard/graph';
import { limits, type ConfigReader } from '../config-reader.ts';
import type { Step } from '../step.ts';
import { linear, type Bias } from './linear.ts';
import { activate, type Activation } from './mlp.ts';
import { rmsNorm } from './norms.ts';

export interface MambaConfig {
  /** Channels of the convolution and the scan. */
  readonly inner: number;
  /** Numbers that each channel keeps. */
  readonly numbers: number;
  /** Inputs of the convolution. */
  readonly taps: number;
  /** Columns between x and the scan's step. */
  readonly rank: number;
  readonly convBias: Bias;
  /** Of the projections into and out of the layer. */
  readonly projectionBias: Bias;
}

/** @throws UnsupportedError for layers without the inner norms */
export function readMamba(reader: ConfigReader, hiddenSize: number): MambaConfig {
  const width = { min: 1, max: limits.width };
  const gguf = reader.format === 'gguf';
  const expand = reader.integer({ hf: 'mamba_expand' }, { min: 1, max: 64, fallback: 2 });
  if (!reader.flag({ hf: 'mamba_inner_layernorms' }, true)) {
    throw new UnsupportedError(
      `${reader.fileName}: mamba_inner_layernorms is false; ${reader.declared} here normalises dt, B and C`,
    );
  }
  return {
    inner: reader.integer({ gguf: 'ssm.inner_size' }, { ...width, fallback: expand * hiddenSize }),
    numbers: reader.integer(
      { hf: 'mamba_d_state', gguf: 'ssm.state_size' },
      { min: 1, max: 4096, fallback: 16 },
    ),
    taps: reader.integer({ hf: 'mamba_d_conv', gguf: 'ssm.conv_kernel' }, { min: 2, max: 256, fallback: 4 }),
    rank: readRank(reader, Math.ceil(hiddenSize / 16)),
    convBias: gguf ? 'as-stored' : reader.flag({ hf: 'mamba_conv_bias' }, true),
    projectionBias: gguf ? 'as-stored' : reader.flag({ hf: 'mamba_proj_bias' }, false),
  };
}

function readRank(reader: ConfigReader, auto: number): number {
  const key = { hf: 'mamba_dt_rank', gguf: 'ssm.time_step_rank' };
  if (reader.isWord(key, 'auto')) return auto;
  return reader.integer(key, { min: 1, max: limits.width, fallback: auto });
}

export interface Mamba extends MambaConfig {
  readonly layer: number;
  readonly activation: Activation;
  readonly eps: number;
}

/** The whole layer in place of attention, x [T, hidden] to [T, hidden]. */
export function mamba(step: Step, x: Value, block: string, options: Mamba): Value {
  const { g } = step;
  const { inner, numbers, rank, eps, activation, projectionBias: bias } = options;
  const both = linear(step, x, `${block}.ssm_in`, 2 * inner, { bias }); // [T, 2 * inner]
  const gate = g.slice(both, { start: inner, length: inner });
  const convolved = convolve(step, g.slice(both, { start: 0, length: inner }), block, options);
  const u = activate(step, convolved, activation); // [T, inner]
  const chosen = linear(step, u, `${block}.ssm_x`, rank + 2 * numbers);
  const normed = (start: number, length: number, name: string): Value =>
    rmsNorm(step, g.slice(chosen, { start, length }), `${block}.ssm_${name}_norm`, eps);
  const dt = linear(step, normed(0, rank, 'dt'), `${block}.ssm_dt`, inner, { bias: true }); // [T, inner]
  const [, y] = g.selectivescan(
    step.recurrentState(`ssm.${options.layer}.scan`, numbers, inner),
    u,
    dt,
    decay(step, block, options),
    normed(rank, numbers, 'b'),
    normed(rank + numbers, numbers, 'c'),
    step.weight(`${block}.ssm_d`, [inner]),
    step.positions,
    step.sequences,
    step.stateSlots,
  ) as [Value, Value]; // [T, inner]
  return linear(step, g.mul(g.silu(gate), y), `${block}.ssm_out`, x.shape[1] as number, { bias });
}

function convolve(step: Step, x: Value, block: string, { layer, inner, taps, convBias }: Mamba): Value {
  const name = `${block}.ssm_conv1d`;
  // Hugging Face's has an axis for the one input channel of each.
  const stored = step.format === 'safetensors' ? { shape: [inner, 1, taps] } : {};
  const biased = convBias === 'as-stored' ? step.hasWeight(`${name}.bias`) : convBias;
  const [, y] = step.g.shortconv(
    step.recurrentState(`ssm.${layer}.conv`, taps - 1, inner),
    x,
    step.transposedWeight(`${name}.weight`, [inner, taps], { stored }),
    biased ? step.weight(`${name}.bias`, [inner]) : null,
    step.positions,
    step.sequences,
    step.stateSlots,
  ) as [Value, Value];
  return y;
}

/** [numbers, inner]; Hugging Face's files have the logarithm of its negative. */
function decay(step: Step, block: string, { inner, numbers }: Mamba): Value {
  const change = step.format === 'safetensors' ? { change: (log: number) => -Math.exp(log) } : {};
  return step.transposedWeight(`${block}.ssm_a`, [inner, numbers], change);
}

/** `16 x 8192 numbers and 3 inputs, in 28 of 32 layers`; for `show`. */
export function describeMamba({ inner, numbers, taps }: MambaConfig, layers: string): Record<string, string> {
  return { 'recurrent state': `${inner} x (${numbers} + ${taps - 1}) in ${layers} layers` };
}
