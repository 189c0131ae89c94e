/** One small graph in which each op of the table that computes occurs, after the passes too. */

import { createBuilder, type Graph } from '@steelyard/graph';

export function everyOp(): Graph {
  const g = createBuilder('every-op');
  const x = g.input('x', ['T', 32], 'f32');
  const tokens = g.input('tokens', ['T'], 'i32');
  const positions = g.input('positions', ['T'], 'i32');
  const sequences = g.input('sequences', ['T'], 'i32');
  const slots = g.input('slots', ['T'], 'i32');
  const pages = g.input('pages', ['S', 'P'], 'i32');
  const stateSlots = g.input('stateSlots', ['S'], 'i32');
  const vector = (name: string, length = 32) => g.weight(name, [length], 'f32');

  const embedded = g.gather(g.weight('table', [9, 32], 'q8_0'), tokens);
  const sum = g.sub(g.add(x, embedded), g.mul(x, vector('factor')));
  const activated = g.gelu(g.silu(g.sigmoid(g.tanh(g.scale(sum, { by: 0.5 })))), { approximate: 'none' });
  g.output('activated', activated);
  g.output('outer', g.outersum(activated, x));
  g.output('summed', g.sumto(activated, { shape: [32] }));
  const normed = g.layernorm(sum, vector('norm'), vector('norm_bias'), { eps: 1e-5 });
  const product = g.matmul(normed, vector('bias', 48), g.weight('w', [48, 32], 'q4_0'), { transposed: true });
  const plain = g.matmul(product, null, g.weight('plain', [48, 32], 'f16'), { transposed: false });
  const heads = g.reshape(plain, { shape: ['T', 4, 8] });
  const frequencies = g.constant('frequencies', Float32Array.of(1, 0.1, 0.01));
  const q = g.rope(heads, positions, frequencies, { interleaved: true, scale: 1 });
  const kv = g.reshape(g.slice(plain, { start: 0, length: 16 }), { shape: ['T', 2, 8] });
  g.output('tempered', g.temper(q, positions, { by: 0.1, every: 2, offset: 1 }));
  const keys = g.kvwrite(g.state('keys', ['N', 2, 4, 8], 'f16'), kv, slots, { byColumn: true });
  const values = g.kvwrite(g.state('values', ['N', 2, 4, 8], 'f32'), kv, slots, {});
  const attrs = { scale: 0.3, window: 5, chunk: 4, softcap: 30, causal: true };
  const mixed = g.attention(q, keys, values, positions, sequences, pages, vector('sinks', 4), attrs);
  const residual = g.add(x, g.reshape(mixed, { shape: ['T', 32] }));
  const after = g.rmsnorm(residual, vector('after'), { eps: 1e-5, offset: 1 });
  g.output('residual', g.rmsnorm(g.scale(residual, { by: 2 }), null, { eps: 1e-5, offset: 0 }));
  const gated = g.mul(g.silu(g.scale(after, { by: 3 })), after);
  g.output('gated', gated);
  g.output(
    'fused',
    g.applyAll('glu', [after, gated], {
      activation: 'gelu_tanh',
      alpha: 1,
      limit: 3,
      offset: 1,
    })[0] as typeof gated,
  );
  const [chosen, weights] = g.route(g.slice(after, { start: 0, length: 4 }), vector('choice', 4), {
    k: 3,
    score: 'sigmoid',
    groups: 2,
    topGroups: 2,
    groupScore: 'best_two',
    normalise: 'sum',
    scale: 2,
  }) as [typeof after, typeof after];
  const experts = g.expertmatmul(after, chosen, g.weight('experts', [4, 8, 2, 32], 'q8_0'), null, null, {
    transposed: true,
    blockRows: 0,
    blockColumns: 0,
  });
  const scaled = g.expertmatmul(
    g.reshape(experts, { shape: ['T', 48] }),
    chosen,
    g.weight('scaled', [4, 32, 48], 'f8_e4m3'),
    g.weight('scaled_bias', [4, 32], 'bf16'),
    g.weight('scales', [4, 2, 3], 'f32'),
    { transposed: true, blockRows: 16, blockColumns: 16 },
  );
  g.output('experts', g.combine(scaled, weights));
  const [first, rest] = g.split(q, { at: 3 }) as [typeof q, typeof q];
  const all = g.expertmatmul(rest, null, g.weight('all', [4, 6, 5], 'f32'), null, null, {
    transposed: true,
    blockRows: 0,
    blockColumns: 0,
  });
  g.output('joined', g.concat(all, first));
  const taps = g.weight('taps', [4, 32], 'f32');
  const [, convolved] = g.shortconv(
    g.state('history', ['R', 3, 32], 'f32'),
    after,
    taps,
    vector('conv_bias'),
    positions,
    sequences,
    stateSlots,
  ) as [typeof x, typeof x];
  const matrix = (start: number): typeof x => g.slice(gated, { start, length: 5 });
  const [, scanned] = g.selectivescan(
    g.state('scan', ['R', 5, 32], 'f32'),
    convolved,
    after,
    g.weight('decay', [5, 32], 'f32'),
    matrix(0),
    matrix(5),
    vector('skip'),
    positions,
    sequences,
    stateSlots,
  ) as [typeof x, typeof x];
  g.output('scanned', scanned);
  g.output(
    'joint',
    g.applyAll('addrmsnorm', [after, gated, null], { eps: 1e-6, offset: 0 })[1] as typeof gated,
  );
  return g.finish();
}
