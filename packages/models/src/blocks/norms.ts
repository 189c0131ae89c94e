/** Normalisations over the last axis, with their weights. */

import type { Value } from '@steelyard/graph';
import type { Step } from '../step.ts';

export interface RmsNormOptions {
  /** 1 where weights are stored around zero (Gemma). */
  readonly offset?: number;
}

export function rmsNorm(
  step: Step,
  x: Value,
  name: string,
  eps: number,
  options: RmsNormOptions = {},
): Value {
  const width = x.shape.at(-1) as number;
  return step.g.rmsnorm(x, step.weight(`${name}.weight`, [width]), { eps, offset: options.offset ?? 0 });
}

export function layerNorm(step: Step, x: Value, name: string, eps: number, bias = true): Value {
  const width = x.shape.at(-1) as number;
  const w = step.weight(`${name}.weight`, [width]);
  return step.g.layernorm(x, w, bias ? step.weight(`${name}.bias`, [width]) : null, { eps });
}
