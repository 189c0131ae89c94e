/**
 * A model without weights that still depends on its cache: it stores each token at its slot, reads the sequence back
 * through its pages, and makes logits of a hash of what it read. Wrong slots, pages or positions give other logits.
 * A recurrent one reads what its state slot was fed instead, and insists on being fed without gaps.
 */

import {
  createBuilder,
  type Backend,
  type CompileOptions,
  type DeviceTensor,
  type Executable,
  type RunRequest,
  type RunResult,
} from '@steelyard/graph';
import type { LoadedModel } from '@steelyard/models';

export const VOCAB = 64;

export interface ToyOptions {
  readonly vocabSize?: number;
  readonly contextLength?: number;
  readonly pageSize?: number;
  readonly recurrent?: boolean;
  /** Tokens that a logit depends on; with few, greedy answers soon repeat themselves. Default all. */
  readonly reach?: number;
}

export interface Toy {
  readonly model: LoadedModel;
  readonly backend: Backend;
  /** Every step that ran. */
  readonly steps: RunRequest[];
  /** Awaited in each step once its inputs were taken; may throw. */
  beforeEnd: (step: number) => Promise<void> | void;
  readonly disposed: string[];
}

/** Logits of the token after `tokens`. */
export function toyLogits(tokens: readonly number[], vocabSize = VOCAB): Float32Array {
  let hash = 0x811c9dc5;
  for (const token of tokens) hash = Math.imul(hash ^ token, 0x01000193) >>> 0;
  return Float32Array.from({ length: vocabSize }, (_, id) => {
    let h = Math.imul(hash ^ Math.imul(id + 1, 0x9e3779b1), 0x85ebca6b) >>> 0;
    h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35) >>> 0;
    return ((h ^ (h >>> 13)) >>> 0) / 2 ** 29 - 4;
  });
}

export function createToy(options: ToyOptions = {}): Toy {
  const { vocabSize = VOCAB, contextLength = 256, pageSize = 4, recurrent = false, reach } = options;
  const toy: Toy = {
    model: toyModel(vocabSize, contextLength, pageSize, recurrent),
    backend: {
      name: 'toy',
      description: 'for tests',
      stateDTypes: ['f32'],
      loadWeight: () => toyTensor('weight', toy.disposed),
      allocateState: (dtype, shape) => toyTensor(`${dtype} [${shape.join(', ')}]`, toy.disposed),
      compile: (_, options) =>
        Promise.resolve(toyExecutable(toy, options, { vocabSize, pageSize, reach: reach ?? Infinity })),
      dispose: () => toy.disposed.push('backend'),
    },
    steps: [],
    beforeEnd: () => undefined,
    disposed: [],
  };
  return toy;
}

function toyModel(
  vocabSize: number,
  contextLength: number,
  pageSize: number,
  recurrent: boolean,
): LoadedModel {
  const g = createBuilder('toy');
  g.output('logits', g.input('logits', ['V', vocabSize], 'f32'));
  g.state('kv.0.k', ['N', 1, pageSize, 1], 'f32');
  return {
    config: {
      architecture: 'toy',
      vocabSize,
      contextLength,
      hiddenSize: 1,
      layers: 1,
      heads: 1,
      kvHeads: 1,
      headDim: 1,
    },
    graph: g.finish(),
    weights: new Map([['w', { dtype: 'f32', shape: [1], byteLength: 4, bytes: () => new Uint8Array(4) }]]),
    kv: { states: [{ name: 'kv.0.k', heads: 1, dim: 1 }] },
    recurrent: recurrent ? [{ name: 'hash', rows: 1, channels: 1 }] : [],
    parameterCount: 1,
    weightBytes: 4,
    facts: {},
  };
}

function toyTensor(name: string, disposed: string[]): DeviceTensor {
  return {
    dtype: 'f32',
    shape: [],
    residentBytes: 0,
    read: () => Promise.resolve(new Uint8Array()),
    write: () => Promise.resolve(),
    dispose: () => disposed.push(name),
  };
}

function toyExecutable(
  toy: Toy,
  { limits }: CompileOptions,
  { vocabSize, pageSize, reach }: { vocabSize: number; pageSize: number; reach: number },
): Executable {
  const cache = new Int32Array((limits['N'] as number) * pageSize).fill(-1);
  const states = toy.model.recurrent.length > 0 ? new Map<number, number[]>() : undefined;
  let running = false;
  return {
    temporaryBytes: 0,
    dispose: () => toy.disposed.push('executable'),
    async run(request): Promise<RunResult> {
      if (running) throw new Error('two steps at once');
      running = true;
      try {
        checkDims(request, limits);
        toy.steps.push(request);
        const read = states ? readStates(request, states) : readPages(request, cache, pageSize);
        const logits = compute(request, (t) => read(t).slice(-reach), vocabSize);
        await toy.beforeEnd(toy.steps.length);
        return { logits };
      } finally {
        running = false;
      }
    },
  };
}

/** The tokens of token t's sequence up to itself. */
type ReadBack = (t: number) => readonly number[];

const input = ({ inputs }: RunRequest, name: string): number[] => [...(inputs[name] as Int32Array)];

function readPages(request: RunRequest, cache: Int32Array, pageSize: number): ReadBack {
  const [slots, tokens, positions, sequences, pages] = (
    ['slots', 'tokens', 'positions', 'sequences', 'pages'] as const
  ).map((name) => input(request, name)) as [number[], number[], number[], number[], number[]];
  if (new Set(slots).size !== slots.length) throw new Error('a slot is written twice in one step');
  slots.forEach((slot, t) => (cache[slot] = tokens[t] as number));
  const width = request.dims['P'] as number;
  return (t) =>
    Array.from({ length: (positions[t] as number) + 1 }, (_, position) => {
      const page = pages[(sequences[t] as number) * width + Math.floor(position / pageSize)] as number;
      const token = cache[page * pageSize + (position % pageSize)] as number;
      if (token < 0) throw new Error(`position ${position} was never written`);
      return token;
    });
}

/** Feeds the step's tokens to their slots. */
function readStates(request: RunRequest, states: Map<number, number[]>): ReadBack {
  const [tokens, positions, sequences, stateSlots] = (
    ['tokens', 'positions', 'sequences', 'stateSlots'] as const
  ).map((name) => input(request, name)) as [number[], number[], number[], number[]];
  if (new Set(stateSlots).size !== stateSlots.length) throw new Error('two sequences share a slot');
  const fed = tokens.map((token, t) => {
    const slot = stateSlots[sequences[t] as number] as number;
    const before = positions[t] === 0 ? [] : (states.get(slot) ?? []);
    if (before.length !== positions[t]) throw new Error(`slot ${slot} was fed ${before.length} tokens`);
    const all = [...before, token];
    states.set(slot, all);
    return all;
  });
  return (t) => fed[t] as number[];
}

function compute(request: RunRequest, read: ReadBack, vocab: number): Float32Array {
  const rows = input(request, 'rows');
  const logits = new Float32Array(rows.length * vocab);
  rows.forEach((t, row) => logits.set(toyLogits(read(t), vocab), row * vocab));
  return logits;
}

function checkDims({ dims, inputs }: RunRequest, limits: CompileOptions['limits']): void {
  for (const [name, value] of Object.entries(dims)) {
    if (!(value >= 1 && value <= (limits[name] as number))) {
      throw new Error(`${name} is ${value}, beyond ${limits[name]}`);
    }
  }
  const lengths = { tokens: 'T', positions: 'T', sequences: 'T', slots: 'T', rows: 'V' };
  for (const [name, dim] of Object.entries(lengths)) {
    if (inputs[name]?.length !== dims[dim]) throw new Error(`${name} has not ${dim} elements`);
  }
  if (inputs['pages']?.length !== (dims['S'] as number) * (dims['P'] as number)) throw new Error('pages');
}
