/** A Llama-shaped graph with random weights, and steps of it through a paged cache. For tests and measurements. */

import {
  byteLength,
  createBuilder,
  dtypeInfo,
  elementCount,
  f32ToF16,
  Random,
  type Backend,
  type CacheDType,
  type DeviceTensor,
  type DType,
  type Executable,
  type Graph,
  type Value,
} from '@steelyard/graph';

export interface LlamaShape {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly ff: number;
  readonly vocab: number;
  /** Of every matrix. */
  readonly weights: 'f32' | 'f16' | 'q4_0' | 'q8_0';
  readonly cache: CacheDType;
}

export const PAGE_SIZE = 16;

/** Odd sizes on purpose: rows that are no multiple of a vector, a group of three heads. */
export const TINY: LlamaShape = {
  layers: 2,
  hidden: 96,
  heads: 6,
  kvHeads: 2,
  ff: 160,
  vocab: 130,
  weights: 'f32',
  cache: 'f32',
};

/** One group of heads as long as a block, for caches in blocks. */
export const IN_BLOCKS: LlamaShape = { ...TINY, heads: 3, kvHeads: 1, cache: 'q8_0' };

export function llamaLike(shape: LlamaShape): Graph {
  const { layers, hidden, heads, kvHeads, ff, vocab, weights, cache } = shape;
  const dim = hidden / heads;
  const g = createBuilder('llama-like');
  const index = (name: string, dims: (string | number)[]): Value => g.input(name, dims, 'i32');
  const tokens = index('tokens', ['T']);
  const positions = index('positions', ['T']);
  const sequences = index('sequences', ['T']);
  const slots = index('slots', ['T']);
  const pages = index('pages', ['S', 'P']);
  const rows = index('rows', ['V']);
  const table = Float32Array.from({ length: dim / 2 }, (_, i) => 10000 ** (-2 * (i / dim)));
  const frequencies = g.constant('frequencies', table);
  const linear = (name: string, out: number, from: number, x: Value): Value =>
    g.matmul(x, null, g.weight(name, [out, from], weights), { transposed: true });
  const norm = (name: string, x: Value): Value =>
    g.rmsnorm(x, g.weight(name, [hidden], 'f32'), { eps: 1e-5, offset: 0 });
  const split = (x: Value, count: number): Value => g.reshape(x, { shape: ['T', count, dim] });
  const rotate = (x: Value): Value => g.rope(x, positions, frequencies, { interleaved: false, scale: 1 });

  let x = g.gather(g.weight('embedding', [vocab, hidden], weights), tokens);
  for (let l = 0; l < layers; l++) {
    const normed = norm(`${l}.attention_norm`, x);
    const q = rotate(split(linear(`${l}.q`, hidden, hidden, normed), heads));
    const k = rotate(split(linear(`${l}.k`, kvHeads * dim, hidden, normed), kvHeads));
    const v = split(linear(`${l}.v`, kvHeads * dim, hidden, normed), kvHeads);
    const state = (name: string): Value => g.state(`${l}.${name}`, ['N', kvHeads, PAGE_SIZE, dim], cache);
    const keys = g.kvwrite(state('keys'), k, slots, { byColumn: true });
    const values = g.kvwrite(state('values'), v, slots, {});
    const attrs = { scale: 1 / Math.sqrt(dim), window: 0, chunk: 0, softcap: 0, causal: true };
    const mixed = g.attention(q, keys, values, positions, sequences, pages, null, attrs);
    x = g.add(x, linear(`${l}.o`, hidden, hidden, g.reshape(mixed, { shape: ['T', hidden] })));
    const inner = norm(`${l}.ff_norm`, x);
    const gated = g.mul(g.silu(linear(`${l}.gate`, ff, hidden, inner)), linear(`${l}.up`, ff, hidden, inner));
    x = g.add(x, linear(`${l}.down`, hidden, ff, gated));
  }
  const last = g.gather(norm('norm', x), rows);
  g.output('logits', linear('lm_head', vocab, hidden, last));
  return g.finish();
}

/** Small random weights: floats of deviation 1 / sqrt(row), blocks of one scale and random integers. */
function weightBytes(dtype: DType, shape: readonly number[], random: Random): Uint8Array {
  const count = elementCount(shape);
  const deviation = 1 / Math.sqrt(shape.at(-1) ?? 1);
  if (dtype === 'f32' || dtype === 'f16') {
    const values =
      shape.length === 1 ? random.normals(count, 0.1).map((v) => v + 1) : random.normals(count, deviation);
    return new Uint8Array(dtype === 'f32' ? values.buffer : Uint16Array.from(values, f32ToF16).buffer);
  }
  const bytes = new Uint8Array(byteLength(dtype, count));
  const words = new Uint32Array(bytes.buffer, 0, bytes.length >> 2);
  for (let i = 0; i < words.length; i++) words[i] = random.next() * 4294967296;
  const { blockBytes } = dtypeInfo(dtype);
  // Uniform integers of 4 or 8 bits deviate by 4.6 or 74.
  const scale = f32ToF16(deviation / (dtype === 'q4_0' ? 4.6 : 74));
  for (let at = 0; at < bytes.length; at += blockBytes) {
    bytes[at] = scale & 255;
    bytes[at + 1] = scale >> 8;
  }
  return bytes;
}

export interface Loaded {
  readonly executable: Executable;
  readonly weightBytes: number;
  dispose(): void;
}

/** Compiled with weights of a seed, and a cache of `pages` pages. */
export async function loadLlama(
  backend: Backend,
  shape: LlamaShape,
  limits: { T: number; S: number; P: number; V: number; N: number },
): Promise<Loaded> {
  const graph = llamaLike(shape);
  const weights = new Map<string, DeviceTensor>();
  const states = new Map<string, DeviceTensor>();
  const random = new Random(7);
  let total = 0;
  for (const { name, storage, dtype, shape: dims, data } of graph.sources) {
    const bound = dims.map((d) => (typeof d === 'string' ? limits.N : d));
    if (storage === 'state') states.set(name, backend.allocateState(dtype, bound));
    if (storage !== 'weight' || data) continue;
    const bytes = weightBytes(dtype, bound, random);
    total += bytes.length;
    weights.set(
      name,
      backend.loadWeight({ dtype, shape: bound, byteLength: bytes.length, bytes: () => bytes }),
    );
  }
  const executable = await backend.compile(graph, { weights, states, limits });
  const dispose = (): void => {
    executable.dispose();
    for (const tensor of [...weights.values(), ...states.values()]) tensor.dispose();
  };
  return { executable, weightBytes: total, dispose };
}

/** Tokens of one sequence in a step; `pages` is its row of the page table. */
export interface Part {
  readonly tokens: readonly number[];
  /** Position of the first. */
  readonly start: number;
  readonly pages: readonly number[];
}

/** Runs a step over several sequences; logits of every token, a row each. */
export async function step(
  { executable }: Loaded,
  parts: readonly Part[],
  cachePages: number,
): Promise<Float32Array[]> {
  const tokens = parts.flatMap((p) => p.tokens);
  const positions = parts.flatMap((p) => p.tokens.map((_, i) => p.start + i));
  const sequences = parts.flatMap((p, s) => p.tokens.map(() => s));
  const slots = parts.flatMap((p) =>
    p.tokens.map((_, i) => {
      const position = p.start + i;
      return (p.pages[Math.floor(position / PAGE_SIZE)] as number) * PAGE_SIZE + (position % PAGE_SIZE);
    }),
  );
  const width = Math.max(...parts.map((p) => p.pages.length));
  const pages = parts.flatMap((p) => Array.from({ length: width }, (_, i) => p.pages[i] ?? 0));
  const i32 = (values: readonly number[]): Int32Array => Int32Array.from(values);
  const { logits } = await executable.run({
    dims: { T: tokens.length, S: parts.length, P: width, V: tokens.length, N: cachePages },
    inputs: {
      tokens: i32(tokens),
      positions: i32(positions),
      sequences: i32(sequences),
      slots: i32(slots),
      pages: i32(pages),
      rows: i32(tokens.map((_, i) => i)),
    },
  });
  const vocab = (logits as Float32Array).length / tokens.length;
  return tokens.map((_, i) => (logits as Float32Array).slice(i * vocab, (i + 1) * vocab));
}
