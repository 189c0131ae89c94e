/**
 * A feed-forward layer of routed experts: a router chooses some for each token, and only their weights are read.
 * How the files name and lay out the experts is here; how settings are named is in expert-config.ts.
 */

import type { Value } from '@steelyard/graph';
import type { Step } from '../step.ts';
import type { ExpertsConfig, Routing } from './expert-config.ts';
import { blockScales, linear, type Bias } from './linear.ts';
import { activate, type Activation } from './mlp.ts';

/** How a file keeps the experts' matrices; by default gate, up and down apart, each [E, out, in]. */
export interface ExpertLayout {
  /** Gate and up are one weight: rows in turns where it is [E, out, in], columns side by side where [E, in, out]. */
  readonly fused?: boolean;
  /** Matrices are [in, out]. */
  readonly inOut?: boolean;
  /** Elements of four bits, and apart from them an exponent for each 32. */
  readonly mxfp4?: boolean;
}

export interface ExpertMlp extends ExpertsConfig {
  readonly routing: Routing;
  readonly activation: Activation;
  readonly layout?: ExpertLayout;
  /** Of the router, added to its logits. */
  readonly routerBias?: Bias;
  /** The router has a vector that is added to scores for the choice only (`exp_probs_b`). */
  readonly choiceBias?: boolean;
  /** Of the experts. */
  readonly bias?: boolean;
  /** What an expert's weight multiplies; default its result. */
  readonly weigh?: 'input' | 'result';
  /** What becomes of gate and up; default act(gate) * up. */
  readonly gated?: (gate: Value, up: Value) => Value;
}

/** x [T, hidden] to [T, hidden]. @see Shazeer et al. 2017, arXiv:1701.06538 */
export function expertMlp(step: Step, x: Value, block: string, options: ExpertMlp): Value {
  const { g } = step;
  const { used, activation, weigh = 'result' } = options;
  const [chosen, weights] = chooseExperts(step, x, block, options);
  const byInput = weigh === 'input';
  const fed = byInput ? weighInputs(step, x, weights, used) : x; // [T, k, hidden] or [T, hidden]
  const [gate, up] = gateAndUp(step, fed, chosen, block, options); // [T, k, width]
  const hidden = options.gated?.(gate, up) ?? g.mul(activate(step, gate, activation), up);
  const down = expertLinear(step, hidden, chosen, `${block}.ffn_down_exps`, x.shape[1] as number, options); // [T, k, hidden]
  return g.combine(down, byInput ? null : weights);
}

/** Experts i32 [T, k] and their weights [T, k]. */
function chooseExperts(step: Step, x: Value, block: string, options: ExpertMlp): [Value, Value] {
  const { count, used, routing, routerBias = false, choiceBias = false } = options;
  const logits = linear(step, x, `${block}.ffn_gate_inp`, count, { bias: routerBias }); // [T, E]
  const bias = choiceBias ? step.weight(`${block}.exp_probs_b.bias`, [count]) : null;
  const { score, normalise, scale = 1, groups = 1, topGroups = 1, groupScore = 'best' } = routing;
  const attrs = { k: used, score, normalise, scale, groups, topGroups, groupScore };
  return step.g.route(logits, bias, attrs) as [Value, Value];
}

/** Each of a token's k inputs times the weight of its expert: [T, k, hidden]. */
function weighInputs(step: Step, x: Value, weights: Value, k: number): Value {
  const { g } = step;
  const width = x.shape[1] as number;
  return g.mul(g.reshape(x, { shape: ['T', 1, width] }), g.reshape(weights, { shape: ['T', k, 1] }));
}

function gateAndUp(step: Step, x: Value, chosen: Value, block: string, options: ExpertMlp): [Value, Value] {
  const { used, width, layout = {} } = options;
  const multiply = (name: string, matrices: number): Value =>
    expertLinear(step, x, chosen, `${block}.${name}`, width, options, matrices);
  if (!layout.fused) return [multiply('ffn_gate_exps', 1), multiply('ffn_up_exps', 1)];
  const both = multiply('ffn_gate_up_exps', 2); // [T, 2 * k, width]
  const half = (start: number): Value => step.g.slice(both, { start, length: used });
  return [half(0), half(used)];
}

/** x [T, in] or [T, k, in] times the chosen experts' matrices: [T, matrices * k, out]. */
function expertLinear(
  step: Step,
  x: Value,
  chosen: Value,
  name: string,
  out: number,
  { count, bias = false, layout = {} }: ExpertMlp,
  matrices = 1,
): Value {
  const { inOut = false, mxfp4 = false } = layout;
  const depth = x.shape.at(-1) as number;
  const split = matrices > 1 ? [matrices] : [];
  const shape = inOut ? [count, depth, ...split, out] : [count, out, ...split, depth];
  const rows = out * matrices;
  const stored = { shape: inOut ? [count, depth, rows] : [count, rows, depth] };
  const w = mxfp4
    ? step.weight(`${name}.weight`, shape, { shape: [count, rows, depth / 32, 16], dtype: 'f4_e2m1' })
    : step.weight(`${name}.weight`, shape, stored);
  const { scales, ...blocks } = mxfp4
    ? microscales(step, name, [count, rows, depth / 32])
    : blockScales(step, name, w);
  const biases = bias ? step.weight(`${name}.bias`, [count, out, ...split], { shape: [count, rows] }) : null;
  return step.g.expertmatmul(x, chosen, w, biases, scales, { transposed: !inOut, ...blocks });
}

/** An exponent for each 32 elements of a row. */
function microscales(step: Step, name: string, shape: readonly number[]): ReturnType<typeof blockScales> {
  const scales = step.weight(`${name}.scales`, shape, { dtype: 'f8_e8m0' });
  return { scales, blockRows: 1, blockColumns: 32 };
}
