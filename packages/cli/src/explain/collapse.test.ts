import { createBuilder, dumpGraph, type Graph, type Value } from '@steelyard/graph';
import { describe, expect, it } from 'vitest';
import { collapseRepeats } from './collapse.ts';

/** A stack of equal layers; layer `odd`, if given, reads x from further away. */
function stack(layers: number, odd?: number): Graph {
  const g = createBuilder('stack');
  const start = g.input('x', ['T', 8], 'f32');
  let x: Value = g.silu(start);
  let before = x;
  for (let i = 0; i < layers; i++) {
    const normed = g.rmsnorm(i === odd ? before : x, g.weight(`blk.${i}.norm.weight`, [8], 'f32'), {
      eps: 1e-5,
      offset: 0,
    });
    before = x;
    x = g.add(x, g.matmul(normed, null, g.weight(`blk.${i}.w.weight`, [8, 8], 'f32'), { transposed: true }));
  }
  g.output('y', x);
  return g.finish();
}

describe('collapseRepeats', () => {
  it('keeps every line when nothing repeats', () => {
    const lines = ['a', 'b', 'c'];
    expect(collapseRepeats(lines)).toEqual([{ lines, times: 1 }]);
  });

  it('folds layers to one, and counts all lines', () => {
    const lines = dumpGraph(stack(12)).split('\n');
    const folds = collapseRepeats(lines);
    expect(folds.reduce((sum, { lines: shown, times }) => sum + shown.length * times, 0)).toBe(lines.length);
    const layers = folds.filter(({ times }) => times > 1);
    expect(layers.map(({ lines: shown, times }) => [shown.length, times])).toEqual([
      [2, 12],
      [3, 12],
    ]);
    expect(layers[1]?.lines[0]).toContain('blk.0.norm.weight');
  });

  it('shows a layer that is wired differently', () => {
    const lines = dumpGraph(stack(12, 6)).split('\n');
    const shown = collapseRepeats(lines).flatMap((fold) => fold.lines);
    expect(shown).toContain(lines.find((line) => line.includes('rmsnorm') && line.includes('blk.6.')));
  });
});
