/** One random case of an op: its operands as tensors, its reference result, and a run of it on a backend. */

import {
  bindShape,
  byteLength,
  createBuilder,
  dtypeInfo,
  elementCount,
  f32ToF16,
  opDefinition,
  ReferenceTensor,
  type Backend,
  type DeviceTensor,
  type DType,
  type Random,
  type Sample,
  type SampleTensor,
  type TensorData,
  type Value,
} from '@steelyard/graph';
import { pagePlaces, pageValues, randomPages } from './cache-pages.ts';

export interface OpCase {
  readonly op: string;
  readonly sample: Sample;
  /** Contents by operand; null where absent. */
  readonly data: readonly (TensorData | null)[];
}

/** Bytes of a tensor: given values, else random, finite and of modest size. */
export function tensorData(tensor: SampleTensor, random: Random): TensorData {
  const { shape, dtype, values } = tensor;
  const count = elementCount(shape);
  const bytes = values ? encodePlain(dtype, values) : randomBytes(dtype, count, random);
  return { dtype, shape, byteLength: bytes.byteLength, bytes: () => bytes };
}

function encodePlain(dtype: DType, values: Float32Array | Int32Array): Uint8Array {
  if (dtype === 'f16') return new Uint8Array(Uint16Array.from(values, f32ToF16).buffer);
  return new Uint8Array(values.slice().buffer);
}

/** Floats are drawn normal; other formats get random bytes whose decoded blocks are finite and not huge. */
function randomBytes(dtype: DType, count: number, random: Random): Uint8Array {
  if (dtype === 'f32' || dtype === 'f16') return encodePlain(dtype, random.normals(count));
  const info = dtypeInfo(dtype);
  const bytes = new Uint8Array(byteLength(dtype, count));
  const decoded = new Float32Array(info.blockSize);
  for (let at = 0; at < bytes.length; at += info.blockBytes) {
    do {
      for (let i = 0; i < info.blockBytes; i++) bytes[at + i] = random.int(0, 255);
      info.decode(bytes, at, decoded, 0, 1);
    } while (!decoded.every((v) => Math.abs(v) < 50));
  }
  return bytes;
}

export function drawCase(op: string, random: Random): OpCase {
  const sample = opDefinition(op).sample(random);
  const data = sample.inputs.map((tensor, i) => {
    if (!tensor || !isPaged(op, i, tensor.dtype)) return tensor && tensorData(tensor, random);
    const bytes = randomPages(tensor.shape, random);
    return { ...tensor, byteLength: bytes.byteLength, bytes: () => bytes };
  });
  return { op, sample, data };
}

/** Whether an operand is a cache in blocks. */
function isPaged(op: string, operand: number, dtype: DType): boolean {
  const cached = op === 'kvwrite' ? [0] : op === 'attention' ? [1, 2] : [];
  return cached.includes(operand) && dtypeInfo(dtype).blockSize > 1;
}

/** An operand's floats, of which `tensor` has the bytes as kernels keep them. */
function floatsIn({ op, sample }: OpCase, operand: number, tensor: TensorData): Float32Array {
  if (!isPaged(op, operand, tensor.dtype)) return ReferenceTensor.encoded(tensor).f32;
  return pageValues(tensor, op === 'kvwrite' ? sample.attrs['byColumn'] === true : operand === 1);
}

/** Where the state that a case writes has its elements, if it is in blocks. */
export function statePlaces({ op, sample }: OpCase): Int32Array | undefined {
  const [state] = sample.inputs as [SampleTensor];
  if (op !== 'kvwrite' || !isPaged(op, 0, state.dtype)) return undefined;
  return pagePlaces(state.shape, sample.attrs['byColumn'] === true);
}

function asReference(opCase: OpCase, operand: number): ReferenceTensor | null {
  const data = opCase.data[operand];
  if (!data) return null;
  if (isPaged(opCase.op, operand, data.dtype))
    return ReferenceTensor.of(data.shape, data.dtype, floatsIn(opCase, operand, data));
  if (data.dtype !== 'i32') return ReferenceTensor.encoded(data);
  const bytes = data.bytes().slice();
  return ReferenceTensor.of(data.shape, 'i32', new Int32Array(bytes.buffer));
}

/** What the op table says the results are. */
export function referenceResults(opCase: OpCase): Float32Array[] {
  const { op, sample, data } = opCase;
  const definition = opDefinition(op);
  const inputs = data.map((_, i) => asReference(opCase, i));
  const types = definition.infer(sample.inputs, sample.attrs);
  const outputs = types.map((type, i) => {
    const alias = definition.view ? undefined : definition.aliases?.[i];
    if (alias === undefined) return ReferenceTensor.zeros(bindShape(type.shape, {}), type.dtype);
    const source = inputs[alias] as ReferenceTensor;
    return ReferenceTensor.of(source.shape, source.dtype, source.f32.slice());
  });
  definition.reference(inputs, outputs, sample.attrs);
  return outputs.map(({ dtype, i32, f32 }) => (dtype === 'i32' ? Float32Array.from(i32) : f32));
}

/** A matmul with x rounded as kernels round it where that is allowed: to 8 bits in runs of 32, nearest even. */
export function roundedToBytes(opCase: OpCase): OpCase {
  const [x, ...rest] = opCase.data;
  const values = new Float32Array((x as TensorData).bytes().slice().buffer);
  for (let run = 0; run < values.length; run += 32) {
    const part = values.subarray(run, run + 32);
    const peak = part.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
    const inverse = Math.fround(127 / peak);
    part.forEach((v, i) => {
      const scaled = Math.fround(v * inverse);
      const nearest = Math.round(scaled);
      const even = Math.abs(scaled - Math.trunc(scaled)) === 0.5 && nearest % 2 !== 0 ? nearest - 1 : nearest;
      part[i] = (even * peak) / 127;
    });
  }
  const bytes = new Uint8Array(values.buffer);
  return { ...opCase, data: [{ ...(x as TensorData), bytes: () => bytes }, ...rest] };
}

/** Bound on |got - reference| over the largest |reference| of the case. */
const FLOAT_BOUND = 2e-5;
/** Rounding activations to 16 bits moves each by up to 1/65024 of its run's peak; products may cancel. */
const INT16_BOUND = 2e-4;

/** What a backend should give, and how close; `integers`: whether its activations meet blocks as integers. */
export function expectation(
  opCase: OpCase,
  integers: boolean,
): { readonly wanted: Float32Array[]; readonly bound: number } {
  const quantised = opCase.data.some((t) => t && dtypeInfo(t.dtype).blockSize > 1);
  const rounds = integers && quantised && opCase.op.endsWith('matmul');
  const narrow = rounds && opCase.sample.attrs['narrow'] === true;
  return {
    wanted: referenceResults(narrow ? roundedToBytes(opCase) : opCase),
    bound: rounds ? INT16_BOUND : FLOAT_BOUND,
  };
}

/** Operands that a model keeps as weights or states rather than computes. */
function storageOf(op: string, operand: string, type: DType): 'weight' | 'state' | 'input' {
  const { aliases, view, operands } = opDefinition(op);
  if (aliases && !view && operand === operands[0]) return 'state';
  if (op === 'attention' && (operand === 'keys' || operand === 'values')) return 'state';
  if (op === 'expertmatmul' && (operand === 'bias?' || operand === 'scales?')) return 'weight';
  if (type !== 'f32' && type !== 'i32') return 'weight';
  return operand.startsWith('w') || operand === 'table' ? 'weight' : 'input';
}

export interface RunOptions {
  /** Feeds float operands of two or more dims as slices of wider tensors, so that their rows lie apart. */
  readonly strided?: boolean;
}

/** The op's results on a backend, as a graph of its own. */
export async function runCase(
  backend: Backend,
  opCase: OpCase,
  options: RunOptions = {},
): Promise<Float32Array[]> {
  const { op, sample, data } = opCase;
  const definition = opDefinition(op);
  const g = createBuilder(op);
  const weights = new Map<string, ReturnType<Backend['loadWeight']>>();
  const states = new Map<string, ReturnType<Backend['loadWeight']>>();
  const inputs: Record<string, Float32Array | Int32Array> = {};
  for (const [i, tensor] of data.entries()) {
    if (!tensor) continue;
    const name = operandName(definition.operands, i);
    const storage = storageOf(op, name, tensor.dtype);
    if (storage === 'weight') weights.set(`${i}`, backend.loadWeight(tensor));
    if (storage === 'state') {
      const state = backend.allocateState(tensor.dtype, tensor.shape);
      await state.write(backend.name === 'reference' ? asFloats(opCase, i, tensor) : tensor.bytes());
      states.set(`${i}`, state);
    }
  }
  const operands = data.map((tensor, i): Value | null => {
    if (!tensor) return null;
    const storage = storageOf(op, operandName(definition.operands, i), tensor.dtype);
    if (storage !== 'input') return g[storage](`${i}`, [...tensor.shape], tensor.dtype);
    const bytes = tensor.bytes().slice();
    const values = tensor.dtype === 'i32' ? new Int32Array(bytes.buffer) : new Float32Array(bytes.buffer);
    if (!options.strided || tensor.dtype !== 'f32' || tensor.shape.length < 2) {
      inputs[`${i}`] = values;
      return g.input(`${i}`, [...tensor.shape], tensor.dtype);
    }
    const wide = widen(tensor.shape, values as Float32Array);
    inputs[`${i}`] = wide.values;
    return g.slice(g.input(`${i}`, wide.shape, 'f32'), { start: 1, length: tensor.shape[1] as number });
  });
  const results = g.applyAll(op, operands, sample.attrs);
  results.forEach((result, i) => {
    // A state is not an output; it is read back below. A view must be computed by something to be one.
    if (definition.aliases?.[i] === undefined) g.output(`${i}`, result);
    else if (definition.view) g.output(`${i}`, g.scale(result, { by: 1 }));
  });
  const executable = await backend.compile(g.finish(), { weights, states, limits: {} });
  const out = await executable.run({ dims: {}, inputs });
  const found = await Promise.all(
    results.map(async (_, i) => {
      const alias = definition.aliases?.[i];
      if (alias === undefined || definition.view) return floatsOf(out[`${i}`] as Float32Array, results[i]);
      const state = states.get(`${alias}`) as DeviceTensor;
      const bytes = await state.read();
      // The reference backend keeps states as float32 whatever their dtype.
      if (backend.name === 'reference') return new Float32Array(bytes.buffer);
      return floatsIn(opCase, alias, {
        ...(data[alias] as TensorData),
        byteLength: bytes.length,
        bytes: () => bytes,
      });
    }),
  );
  executable.dispose();
  for (const tensor of [...weights.values(), ...states.values()]) tensor.dispose();
  return found;
}

/** A result as numbers: runs give every result's words as if they were floats. */
function floatsOf(words: Float32Array, type: Value | undefined): Float32Array {
  if (type?.dtype !== 'i32') return words;
  return Float32Array.from(new Int32Array(words.buffer, words.byteOffset, words.length));
}

function operandName(declared: readonly string[], i: number): string {
  return declared[Math.min(i, declared.length - 1)] as string;
}

function asFloats(opCase: OpCase, operand: number, tensor: TensorData): Uint8Array {
  return new Uint8Array(floatsIn(opCase, operand, tensor).slice().buffer);
}

/** The tensor with one more column before axis 1 and two behind, filled with NaN. */
function widen(shape: readonly number[], values: Float32Array): { shape: number[]; values: Float32Array } {
  const [rows, columns, ...rest] = shape as [number, number, ...number[]];
  const inner = rest.reduce((n, d) => n * d, 1);
  const wide = new Float32Array(rows * (columns + 3) * inner).fill(NaN);
  for (let row = 0; row < rows; row++) {
    wide.set(
      values.subarray(row * columns * inner, (row + 1) * columns * inner),
      (row * (columns + 3) + 1) * inner,
    );
  }
  return { shape: [rows, columns + 3, ...rest], values: wide };
}
