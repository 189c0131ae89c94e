import { ShapeError } from '@steelyard/core';
import { formatType } from '../ir.ts';
import { defineOp, type AttrsOf } from '../op.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { expectDim, expectF32, expectRank, lastDim, operand } from './shape-rules.ts';

/**
 * k: experts per token. score: of an expert, from all logits. bias: added to scores for the choice only.
 * groups: experts lie in so many equal groups, of which the best topGroups stay (1 and 1 for no groups); a group is
 * worth its best expert or its best two. normalise: what becomes of the chosen scores. scale: factor on them at last.
 */
const attrs = {
  k: 'i32',
  score: ['none', 'softmax', 'sigmoid'],
  groups: 'i32',
  topGroups: 'i32',
  groupScore: ['best', 'best_two'],
  normalise: ['none', 'sum', 'softmax', 'sigmoid'],
  scale: 'f32',
} as const;
type RouteAttrs = AttrsOf<typeof attrs>;

export const route = defineOp({
  name: 'route',
  doc: "Chooses each token's experts by its router logits: the k best, best first, and their weights.",
  see: 'Shazeer et al. 2017, arXiv:1701.06538; groups and bias: DeepSeek-AI 2024, arXiv:2412.19437, section 2.1.2',
  operands: ['logits', 'bias?'],
  results: ['experts', 'weights'],
  attrs,
  infer(inputs, { k, groups, topGroups, groupScore }) {
    expectF32(inputs, ['logits', 'bias']);
    const logits = operand(inputs, 0);
    expectRank('logits', logits, 2);
    const count = lastDim('logits', logits);
    const bias = inputs[1];
    if (bias) {
      expectRank('bias', bias, 1);
      expectDim('bias', bias.shape[0], count);
    }
    const perGroup = count / groups;
    if (!Number.isInteger(perGroup) || groups < 1)
      throw new ShapeError(`${formatType(logits)} does not divide into ${groups} groups`);
    if (topGroups < 1 || topGroups > groups) throw new ShapeError(`topGroups must be 1 to ${groups}`);
    if (groups > 1 && groupScore === 'best_two' && perGroup < 2)
      throw new ShapeError('groups of one expert have no best two');
    if (k < 1 || k > topGroups * perGroup)
      throw new ShapeError(`k must be 1 to ${topGroups * perGroup}, the experts that may be chosen, is ${k}`);
    const shape = [logits.shape[0] as number, k];
    return [
      { shape, dtype: 'i32' },
      { shape, dtype: 'f32' },
    ];
  },
  reference([logits, bias], [experts, weights], options) {
    const count = (logits as ReferenceTensor).rowLength;
    const { k } = options;
    for (let t = 0; t < ((logits as ReferenceTensor).shape[0] as number); t++) {
      const row = (logits as ReferenceTensor).f32.subarray(t * count, (t + 1) * count);
      const [chosen, values] = routeRow(row, bias?.f32, options);
      (experts as ReferenceTensor).i32.set(chosen, t * k);
      (weights as ReferenceTensor).f32.set(values, t * k);
    }
  },
  sample(random) {
    const groups = random.pick([1, 1, 2, 4]);
    const count = groups * random.int(2, 9);
    const topGroups = random.int(1, groups);
    const logits = { shape: [random.int(1, 9), count], dtype: 'f32' as const };
    return {
      inputs: [logits, random.next() < 0.4 ? { shape: [count], dtype: 'f32' as const } : null],
      attrs: {
        k: random.int(1, (topGroups * count) / groups),
        score: random.pick(attrs.score),
        groups,
        topGroups,
        groupScore: random.pick(attrs.groupScore),
        normalise: random.pick(attrs.normalise),
        scale: random.pick([1, 2.5]),
      },
    };
  },
});

function routeRow(
  logits: Float32Array,
  bias: Float32Array | undefined,
  { k, score, groups, topGroups, groupScore, normalise, scale }: RouteAttrs,
): [number[], number[]] {
  const scores = scoresOf([...logits], score);
  const keys = scores.map((s, e) => s + (bias?.[e] ?? 0));
  const perGroup = keys.length / groups;
  const worth = Array.from({ length: groups }, (_, i) => {
    const sorted = keys.slice(i * perGroup, (i + 1) * perGroup).sort((a, b) => b - a) as [number, number];
    return groupScore === 'best' || groups === 1 ? sorted[0] : sorted[0] + sorted[1];
  });
  const open = new Set(largest(worth, topGroups));
  const left = keys.map((key, e) => (open.has(Math.floor(e / perGroup)) ? key : -Infinity));
  const chosen = largest(left, k);
  const values = chosen.map((e) => scores[e] as number);
  return [chosen, normalised(values, normalise).map((w) => w * scale)];
}

function scoresOf(logits: number[], score: RouteAttrs['score'] | 'sigmoid'): number[] {
  if (score === 'none') return logits;
  if (score === 'sigmoid') return logits.map((x) => 1 / (1 + Math.exp(-x)));
  const top = Math.max(...logits);
  const powers = logits.map((x) => Math.exp(x - top));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / total);
}

function normalised(values: number[], how: RouteAttrs['normalise']): number[] {
  if (how !== 'sum') return scoresOf(values, how);
  // The published models add as little, lest they divide by zero.
  const total = values.reduce((a, b) => a + b, 1e-20);
  return values.map((v) => v / total);
}

/** Indices of the `count` largest, largest first; of equals the first. */
function largest(values: readonly number[], count: number): number[] {
  const order = values
    .map((_, i) => i)
    .sort((a, b) => (values[b] as number) - (values[a] as number) || a - b);
  return order.slice(0, count);
}
