/** What the one-input and two-input elementwise ops have in common; each op's own file gives its formula. */

import { elementCount } from '../ir.ts';
import { defineOp, type OpApplier, type OpDefinition } from '../op.ts';
import type { Random } from '../random.ts';
import type { Value } from '../ir.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { broadcastShapes, expectF32, operand } from './shape-rules.ts';

type NoAttrs = Record<never, never>;

interface Unary {
  readonly name: string;
  readonly doc: string;
  readonly see?: string;
  readonly f: (x: number) => number;
  /** Input values outside the function's domain are moved into it for tests. */
  readonly domain?: (x: number) => number;
  readonly gradient: (g: OpApplier, x: Value, y: Value, dy: Value) => Value;
}

export function unary(op: Unary): OpDefinition<NoAttrs, readonly ['y']> {
  const { name, doc, see, f, domain = (x) => x } = op;
  return defineOp({
    name,
    doc,
    ...(see && { see }),
    operands: ['x'],
    results: ['y'],
    attrs: {},
    infer(inputs) {
      expectF32(inputs, ['x']);
      return [operand(inputs, 0)];
    },
    reference([x], [y]) {
      const from = (x as ReferenceTensor).f32;
      const to = (y as ReferenceTensor).f32;
      for (let i = 0; i < to.length; i++) to[i] = f(from[i] as number);
    },
    gradient: (g, node, [dy]) => [
      dy ? op.gradient(g, node.inputs[0] as Value, node.outputs[0] as Value, dy) : null,
    ],
    sample(random) {
      const shape = randomShape(random);
      const values = random.normals(elementCount(shape), 3).map(domain);
      return { inputs: [{ shape, dtype: 'f32', values }], attrs: {} };
    },
  });
}

interface Binary {
  readonly name: string;
  readonly doc: string;
  readonly f: (a: number, b: number) => number;
  readonly domain?: (b: number) => number;
  /** Gradients before they are summed over broadcast dims. */
  readonly gradient: (g: OpApplier, a: Value, b: Value, dy: Value) => readonly [Value, Value];
}

export function binary(op: Binary): OpDefinition<NoAttrs, readonly ['y']> {
  const { name, doc, f, domain = (x) => x } = op;
  return defineOp({
    name,
    doc,
    operands: ['a', 'b'],
    results: ['y'],
    attrs: {},
    infer(inputs) {
      expectF32(inputs, ['a', 'b']);
      return [{ shape: broadcastShapes(operand(inputs, 0).shape, operand(inputs, 1).shape), dtype: 'f32' }];
    },
    reference([a, b], [y]) {
      broadcastReference(f, a as ReferenceTensor, b as ReferenceTensor, y as ReferenceTensor);
    },
    gradient(g, node, [dy]) {
      if (!dy) return [null, null];
      const [a, b] = node.inputs as [Value, Value];
      const [da, db] = op.gradient(g, a, b, dy);
      return [sumTo(g, da, a), sumTo(g, db, b)];
    },
    sample(random) {
      const shape = randomShape(random);
      const other = random.pick([
        shape,
        shape.slice(1),
        shape.map((d, i) => (i === shape.length - 1 ? 1 : d)),
        [1],
      ]);
      const values = random.normals(elementCount(other)).map(domain);
      return {
        inputs: [
          { shape, dtype: 'f32' },
          { shape: other, dtype: 'f32', values },
        ],
        attrs: {},
      };
    },
  });
}

function sumTo(g: OpApplier, gradient: Value, target: Value): Value {
  const same =
    gradient.shape.length === target.shape.length && gradient.shape.every((d, i) => d === target.shape[i]);
  return same ? gradient : g.apply('sumto', [gradient], { shape: target.shape });
}

/** Strides of `shape` broadcast to `rank` dims: 0 where it repeats. */
export function broadcastStrides(shape: readonly number[], out: readonly number[]): number[] {
  const strides = new Array<number>(out.length).fill(0);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const dim = shape[i] as number;
    if (dim !== 1) strides[out.length - shape.length + i] = stride;
    stride *= dim;
  }
  return strides;
}

/** Calls `visit` with the flat index into `out` and into each operand of the given strides. */
export function forEachBroadcast(
  out: readonly number[],
  strides: readonly (readonly number[])[],
  visit: (flat: number, offsets: readonly number[]) => void,
): void {
  const total = elementCount(out);
  const index = new Array<number>(out.length).fill(0);
  const offsets = strides.map(() => 0);
  for (let flat = 0; flat < total; flat++) {
    visit(flat, offsets);
    for (let axis = out.length - 1; axis >= 0; axis--) {
      const next = (index[axis] as number) + 1;
      const wraps = next === out[axis];
      index[axis] = wraps ? 0 : next;
      strides.forEach((s, k) => {
        const step = s[axis] as number;
        offsets[k] = (offsets[k] as number) + (wraps ? -step * (next - 1) : step);
      });
      if (!wraps) break;
    }
  }
}

function broadcastReference(
  f: (a: number, b: number) => number,
  a: ReferenceTensor,
  b: ReferenceTensor,
  y: ReferenceTensor,
): void {
  const [av, bv, yv] = [a.f32, b.f32, y.f32];
  const strides = [broadcastStrides(a.shape, y.shape), broadcastStrides(b.shape, y.shape)];
  forEachBroadcast(y.shape, strides, (flat, [i, j]) => {
    yv[flat] = f(av[i as number] as number, bv[j as number] as number);
  });
}

/** One to three dims, odd sizes and vector multiples. */
export function randomShape(random: Random): number[] {
  const last = random.pick([1, 3, 16, 31, 64, 130]);
  return random.pick([[last], [random.int(1, 9), last], [random.int(1, 5), random.int(1, 4), last]]);
}
