import { ShapeError } from '@steelyard/core';
import { formatType } from '../ir.ts';
import { defineOp } from '../op.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { expectDim, expectRank, lastDim, operand } from './shape-rules.ts';

export const rope = defineOp({
  name: 'rope',
  doc: 'Rotary position embedding of the first 2 * len(frequencies) elements of each head; the rest pass.',
  see: 'Su et al. 2021, arXiv:2104.09864',
  operands: ['x', 'positions', 'frequencies'],
  results: ['y'],
  /**
   * interleaved: pairs are (2i, 2i + 1), as in GPT-J and in Llama's GGUF files; else (i, i + R / 2), as in
   * Hugging Face's Llama. scale: yarn's attention factor, applied to sine and cosine.
   */
  attrs: { interleaved: 'bool', scale: 'f32' },
  infer(inputs) {
    const [x, positions, frequencies] = [operand(inputs, 0), operand(inputs, 1), operand(inputs, 2)];
    expectRank('x', x, 3);
    if (x.dtype !== 'f32') throw new ShapeError(`x must be f32, is ${formatType(x)}`);
    if (positions.dtype !== 'i32') throw new ShapeError(`positions must be i32, is ${formatType(positions)}`);
    expectDim('positions', positions.shape[0], x.shape[0]);
    if (2 * lastDim('frequencies', frequencies) > lastDim('x', x)) {
      throw new ShapeError(
        `${lastDim('frequencies', frequencies)} frequencies rotate more than head_dim ${lastDim('x', x)}`,
      );
    }
    return [x];
  },
  flops: ([x]) => 6 * (x?.shape.reduce((n, d) => n * d, 1) ?? 0),
  reference([x, positions, frequencies], [y], { interleaved, scale }) {
    const [tokens, heads, dim] = (x as ReferenceTensor).shape as [number, number, number];
    const table = (frequencies as ReferenceTensor).f32;
    const half = table.length;
    const [from, to] = [(x as ReferenceTensor).f32, (y as ReferenceTensor).f32];
    to.set(from);
    for (let t = 0; t < tokens; t++) {
      for (let i = 0; i < half; i++) {
        const angle = ((positions as ReferenceTensor).i32[t] as number) * (table[i] as number);
        const [cos, sin] = [Math.cos(angle) * scale, Math.sin(angle) * scale];
        for (let h = 0; h < heads; h++) {
          const at = (t * heads + h) * dim;
          const first = at + (interleaved ? 2 * i : i);
          const second = at + (interleaved ? 2 * i + 1 : i + half);
          const [a, b] = [from[first] as number, from[second] as number];
          to[first] = a * cos - b * sin;
          to[second] = a * sin + b * cos;
        }
      }
    }
  },
  sample(random) {
    const dim = random.pick([4, 32, 64, 80]);
    const half = random.pick([dim / 2, Math.floor(dim / 4)]);
    const tokens = random.int(1, 7);
    const frequencies = Float32Array.from({ length: half }, (_, i) => 10000 ** (-i / half));
    return {
      inputs: [
        { shape: [tokens, random.int(1, 5), dim], dtype: 'f32' },
        { shape: [tokens], dtype: 'i32', values: random.ints(tokens, 0, 4000) },
        { shape: [half], dtype: 'f32', values: frequencies },
      ],
      attrs: { interleaved: random.next() < 0.5, scale: random.pick([1, 1.2]) },
    };
  },
});
