/** Every gradient rule of the op table against central finite differences, on the reference backend. */

import { createReferenceBackend } from '@steelyard/backend-reference';
import {
  createBuilder,
  elementCount,
  gradients,
  opDefinition,
  ops,
  Random,
  type Sample,
  type TensorData,
  type Value,
} from '@steelyard/graph';
import { describe, expect, it } from 'vitest';

const CASES = 12;
const STEP = 1e-2;

function f32(values: Float32Array, shape: readonly number[]): TensorData {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { dtype: 'f32', shape, byteLength: bytes.byteLength, bytes: () => bytes };
}

/** Float operands as float32 values, indices as they are. */
function operandsOf(sample: Sample, random: Random): (Float32Array | Int32Array | null)[] {
  return sample.inputs.map((input) => {
    if (!input) return null;
    return input.values ?? random.normals(elementCount(input.shape), 0.5);
  });
}

/** The same case with float32 in place of every float format, and so without scales of blocks. */
function asFloats({ inputs, attrs }: Sample): Sample {
  const floats = inputs.map((t) => t && (t.dtype === 'i32' ? t : { ...t, dtype: 'f32' as const }));
  if (!('blockRows' in attrs)) return { inputs: floats, attrs };
  return { inputs: [...floats.slice(0, -1), null], attrs: { ...attrs, blockRows: 0, blockColumns: 0 } };
}

/** sum(y * weights), and its gradient by every operand when `backward`. */
async function evaluate(
  op: string,
  sample: Sample,
  data: readonly (Float32Array | Int32Array | null)[],
  seed: number,
  backward: boolean,
) {
  const backend = createReferenceBackend();
  const g = createBuilder(op);
  const weights = new Map<string, ReturnType<typeof backend.loadWeight>>();
  const inputs: Record<string, Float32Array | Int32Array> = {};
  const operands = data.map((values, i): Value | null => {
    const shape = sample.inputs[i]?.shape;
    if (!values || !shape) return null;
    // The weights of matmuls are weights; everything else is fed.
    if (op.endsWith('matmul') && i >= 2 && values instanceof Float32Array) {
      weights.set(`x${i}`, backend.loadWeight(f32(values, shape)));
      return g.weight(`x${i}`, shape, 'f32');
    }
    inputs[`x${i}`] = values;
    return g.input(`x${i}`, shape, values instanceof Int32Array ? 'i32' : 'f32');
  });
  const y = g.apply(op, operands, sample.attrs);
  const cotangent = new Random(seed).normals(elementCount(y.shape as number[]));
  const dy = g.constant('dy', cotangent, y.shape as number[]);
  g.output('y', y);
  const targets = operands.filter((v): v is Value => v?.dtype === 'f32');
  const grads = backward ? gradients(g, new Map([[y, dy]]), targets) : [];
  grads.forEach((grad, i) => grad && g.output(`d${targets[i]?.name}`, grad));
  const executable = await backend.compile(g.finish(), { weights, states: new Map(), limits: {} });
  const result = await executable.run({ dims: {}, inputs });
  const loss = (result['y'] as Float32Array).reduce((sum, v, i) => sum + v * (cotangent[i] as number), 0);
  return { loss, result };
}

describe('gradient rules agree with finite differences', () => {
  for (const op of Object.keys(ops)) {
    const definition = opDefinition(op);
    if (!definition.gradient) continue;
    it(op, async () => {
      for (let seed = 1; seed <= CASES; seed++) {
        const random = new Random(seed);
        const sample = asFloats(definition.sample(random));
        const data = operandsOf(sample, random);
        const { result } = await evaluate(op, sample, data, seed, true);
        for (const [i, values] of data.entries()) {
          const grad = result[`dx${i}`];
          if (!values || !grad) continue;
          const at = random.int(0, values.length - 1);
          const nudged = async (delta: number): Promise<number> => {
            const copy = values.slice();
            copy[at] = (copy[at] as number) + delta;
            const moved = data.map((v, k) => (k === i ? copy : v));
            return (await evaluate(op, sample, moved, seed, false)).loss;
          };
          const slope = ((await nudged(STEP)) - (await nudged(-STEP))) / (2 * STEP);
          const got = grad[at] as number;
          expect(
            Math.abs(got - slope),
            `${op} case ${seed} operand ${i} element ${at}: ${got} vs ${slope}`,
          ).toBeLessThan(2e-2 * Math.max(1, Math.abs(slope)));
        }
      }
    });
  }
});
