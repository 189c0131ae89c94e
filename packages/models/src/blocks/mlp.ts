/** Feed-forward blocks and the activations that files name. */

import type { Value } from '@steelyard/graph';
import type { Step } from '../step.ts';
import { linear, type Bias, type LinearOptions } from './linear.ts';

/** Names of activations in `hidden_act` and `activation_function`. GGUF files leave them to the architecture. */
export const activationNames = ['silu', 'swish', 'gelu', 'gelu_new', 'gelu_pytorch_tanh'] as const;
export type Activation = (typeof activationNames)[number];

export function activate(step: Step, x: Value, activation: Activation): Value {
  if (activation === 'silu' || activation === 'swish') return step.g.silu(x);
  return step.g.gelu(x, { approximate: activation === 'gelu' ? 'none' : 'tanh' });
}

export interface MlpShape {
  readonly width: number;
  readonly activation: Activation;
  readonly bias?: Bias;
  /** Gate and up are the columns of one projection, `ffn_up`. */
  readonly fused?: boolean;
  /** Follows the weights' names: `_shexp` for an expert that every token has. */
  readonly suffix?: string;
}

/** down(act(gate(x)) * up(x)). @see Shazeer 2020, arXiv:2002.05202 */
export function gatedMlp(
  step: Step,
  x: Value,
  block: string,
  { width, activation, bias = false, fused = false, suffix = '' }: MlpShape,
): Value {
  const [gate, up] = fused
    ? fusedGateUp(step, x, block, width, bias)
    : [
        linear(step, x, `${block}.ffn_gate${suffix}`, width, { bias }),
        linear(step, x, `${block}.ffn_up${suffix}`, width, { bias }),
      ];
  const product = step.g.mul(activate(step, gate, activation), up);
  return linear(step, product, `${block}.ffn_down${suffix}`, x.shape[1] as number, { bias });
}

function fusedGateUp(step: Step, x: Value, block: string, width: number, bias: Bias): [Value, Value] {
  const both = linear(step, x, `${block}.ffn_up`, 2 * width, { bias });
  return [
    step.g.slice(both, { start: 0, length: width }),
    step.g.slice(both, { start: width, length: width }),
  ];
}

/** down(act(up(x))). */
export function plainMlp(
  step: Step,
  x: Value,
  block: string,
  shape: MlpShape,
  options: LinearOptions = {},
): Value {
  const linearOptions = { ...options, bias: shape.bias ?? false };
  const up = activate(step, linear(step, x, `${block}.ffn_up`, shape.width, linearOptions), shape.activation);
  return linear(step, up, `${block}.ffn_down`, x.shape[1] as number, linearOptions);
}
