import { describe, expect, it } from 'vitest';
import { createBuilder, dumpGraph, type Graph } from '../index.ts';
import { fuseGlu } from './fuse-glu.ts';
import { fuseResidual } from './fuse-residual.ts';
import { mergeMatmuls } from './merge-matmuls.ts';
import { narrowActivations } from './narrow-activations.ts';
import { planMemory } from './plan-memory.ts';

/** One MLP with a residual, as models write it. */
function mlp(): Graph {
  const g = createBuilder('mlp');
  const x = g.input('x', ['T', 8], 'f32');
  const gate = g.weight('gate', [12, 8], 'f32');
  const up = g.weight('up', [12, 8], 'f32');
  const down = g.weight('down', [8, 12], 'f32');
  const norm = g.weight('norm', [8], 'f32');
  const hidden = g.mul(
    g.silu(g.matmul(x, null, gate, { transposed: true })),
    g.matmul(x, null, up, { transposed: true }),
  );
  const sum = g.add(x, g.matmul(hidden, null, down, { transposed: true }));
  g.output('normed', g.rmsnorm(sum, norm, { eps: 1e-5, offset: 0 }));
  g.output('sum', sum);
  return g.finish();
}

function nodeLines(graph: Graph): string[] {
  return dumpGraph(graph)
    .split('\n')
    .filter((line) => line.startsWith('%'));
}

describe('passes', () => {
  it('fuse-glu joins activation and product', () => {
    expect(nodeLines(fuseGlu.run(mlp()))).toEqual([
      '%5 [T, 12] f32 = matmul(x, -, gate) transposed=true',
      '%7 [T, 12] f32 = matmul(x, -, up) transposed=true',
      '%8 [T, 12] f32 = glu(%5, %7) alpha=1 limit=0 offset=0 activation=silu',
      '%9 [T, 8] f32 = matmul(%8, -, down) transposed=true',
      '%10 [T, 8] f32 = add(x, %9)',
      '%11 [T, 8] f32 = rmsnorm(%10, norm) eps=0.00001 offset=0',
    ]);
  });

  it('fuse-residual keeps the sum as a result of its own', () => {
    expect(nodeLines(fuseResidual.run(mlp())).at(-1)).toBe(
      '%10 [T, 8] f32, %11 [T, 8] f32 = addrmsnorm(x, %9, norm) eps=0.00001 offset=0',
    );
  });

  it('merge-matmuls shares x and takes the columns apart by views', () => {
    expect(nodeLines(mergeMatmuls.run(mlp())).slice(0, 3)).toEqual([
      '%12 [T, 24] f32 = matmul(x, -, gate, up) transposed=true',
      '%5 [T, 12] f32 = slice(%12) start=0 length=12',
      '%7 [T, 12] f32 = slice(%12) start=12 length=12',
    ]);
  });

  it('narrow-activations leaves what a recurrence is made of at 16 bits', () => {
    const g = createBuilder('mamba');
    const x = g.input('x', ['T', 8], 'f32');
    const index = (name: string, dim: string) => g.input(name, [dim], 'i32');
    const [, convolved] = g.shortconv(
      g.state('history', ['R', 3, 8], 'f32'),
      x,
      g.weight('taps', [4, 8], 'f32'),
      null,
      index('positions', 'T'),
      index('sequences', 'T'),
      index('slots', 'S'),
    ) as [typeof x, typeof x];
    const [w, v] = [g.weight('w', [8, 8], 'f32'), g.weight('v', [8, 8], 'f32')];
    const chosen = g.matmul(g.silu(convolved), null, w, { transposed: true });
    g.output('y', g.matmul(g.silu(chosen), null, v, { transposed: true }));
    const narrowed = narrowActivations.run(g.finish()).nodes.filter(({ op }) => op === 'matmul');
    expect(narrowed.map(({ attrs }) => attrs['narrow'] ?? false)).toEqual([false, true]);
  });

  it('leaves a gate that is used twice alone', () => {
    const g = createBuilder('shared');
    const x = g.input('x', ['T', 8], 'f32');
    const gate = g.silu(x);
    g.output('a', g.mul(gate, x));
    g.output('b', gate);
    expect(nodeLines(fuseGlu.run(g.finish()))).toEqual([
      '%1 [T, 8] f32 = silu(x)',
      '%2 [T, 8] f32 = mul(%1, x)',
    ]);
  });
});

describe('planMemory', () => {
  it('never lets two live values overlap', () => {
    const graph = mergeMatmuls.run(mlp());
    const { placements, arenaBytes } = planMemory(graph, { T: 10 });
    const live = new Map<number, [number, number][]>();
    graph.nodes.forEach((node, at) => {
      for (const value of node.outputs) {
        const place = placements.get(value);
        if (place?.root !== value) continue;
        const uses = graph.nodes.flatMap((other, i) =>
          other.inputs.some((v) => v && placements.get(v)?.root === value) ? [i] : [],
        );
        const isOutput = Object.values(graph.outputs).includes(value);
        const last = isOutput ? graph.nodes.length : Math.max(at, ...uses);
        const bytes = 40 * value.shape.slice(1).reduce<number>((n, d) => n * (d as number), 1);
        expect(place.offset % 64).toBe(0);
        expect(place.offset + bytes).toBeLessThanOrEqual(arenaBytes);
        for (let i = at; i <= last; i++) {
          for (const [start, end] of live.get(i) ?? []) {
            expect(place.offset + bytes <= start || end <= place.offset).toBe(true);
          }
          live.set(i, [...(live.get(i) ?? []), [place.offset, place.offset + bytes]]);
        }
      }
    });
  });

  it('places a slice inside its source, rows apart', () => {
    const graph = mergeMatmuls.run(mlp());
    const { placements } = planMemory(graph, { T: 10 });
    const [joint, gate, up] = graph.nodes.flatMap((node) => node.outputs);
    const at = (v: typeof joint) => placements.get(v as NonNullable<typeof joint>);
    expect(at(gate)).toMatchObject({ root: joint, rowStride: 24 });
    expect((at(up)?.offset ?? 0) - (at(joint)?.offset ?? 0)).toBe(12 * 4);
  });
});
