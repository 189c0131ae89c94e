/**
 * Tapes with changed words, and inputs with wild values, end in an error or in a run: never outside a buffer. Run
 * under the address sanitizer (`npm run test:asan`) this sees reads too.
 */

import { opDefinition, optimise, ops, planMemory, Random, symbolsOf, type Graph } from '@steelyard/graph';
import { describe, expect, it } from 'vitest';
import { loadAddon, type Addon, type NativeMemory } from '../src/addon.ts';
import { writeTape, type Tape } from '../src/tape.ts';
import { everyOp } from './every-op.ts';
import { llamaLike, TINY } from './llama-like.ts';

const LIMITS = { T: 6, S: 2, P: 3, V: 4, N: 5, R: 3 };
/** Every buffer is this large: more than any tensor of the graphs needs, less than most changed ones ask for. */
const BUFFER = 1 << 17;
/** More by `STEELYARD_FUZZ_CASES`. */
const CASES = Number(process.env['STEELYARD_FUZZ_CASES'] ?? 400);

interface Subject {
  readonly tape: Tape;
  readonly limits: Int32Array;
}

function subject(graph: Graph): Subject {
  const optimised = optimise(graph);
  const tape = writeTape(optimised, planMemory(optimised, LIMITS));
  const limits = Int32Array.from(tape.symbols, (name) => LIMITS[name as keyof typeof LIMITS]);
  return { tape, limits };
}

/** Values that break parsers: signs, borders, neighbours, and small numbers that pass for indices. */
function wild(random: Random, word: number): number {
  return random.pick([
    random.int(-8, 40),
    word + random.pick([-1, 1, 64, -64]),
    word ^ (1 << random.int(0, 31)),
    random.pick([-2147483648, 2147483647, 65536, -65536, 0x40000000]),
  ]);
}

async function attempt(
  addon: Addon,
  memory: readonly NativeMemory[],
  words: Int32Array,
  { tape, limits }: Subject,
  random: Random,
  wildInputs = 0.1,
): Promise<'refused' | 'ran'> {
  const [weights, states] = memory as [NativeMemory, NativeMemory];
  const flat = (from: NativeMemory, count: number): (NativeMemory | number)[][] =>
    Array.from({ length: count }, (): (NativeMemory | number)[] => [from, 0, BUFFER]);
  let executable;
  try {
    executable = await addon.compile(
      words,
      flat(weights, tape.weights.length),
      flat(states, tape.states.length),
      limits,
      2,
      random.next() < 0.5,
      random.pick(['', 'scalar']),
      true,
      random.next() < 0.5,
    );
  } catch (error) {
    expect((error as Error).message).not.toBe('');
    return 'refused';
  }
  const inputs = tape.inputs.map((input) => {
    const data = new Int32Array(4096);
    if (input.dtype === 'i32' && random.next() < wildInputs) data[random.int(0, 3)] = wild(random, 0);
    return data;
  });
  try {
    await addon.run(executable, limits, inputs);
    return 'ran';
  } catch (error) {
    expect((error as Error).message).not.toBe('');
    return 'refused';
  } finally {
    addon.releaseExecutable(executable, addon.arena(executable));
  }
}

const loaded = loadAddon();
const subjects = { 'every op': everyOp(), 'a model': llamaLike({ ...TINY, layers: 1, weights: 'q4_0' }) };

describe.skipIf('reason' in loaded)('hostile tapes', () => {
  const { addon } = loaded as { addon: Addon };

  it('the graph of every op has every op that computes', () => {
    const used = new Set(everyOp().nodes.map((node) => node.op));
    expect(Object.keys(ops).filter((op) => !used.has(op) && !opDefinition(op).view)).toEqual([]);
    expect(symbolsOf(everyOp())).not.toEqual([]);
  });

  it.each(Object.entries(subjects))('%s, some words changed', async (_name, graph) => {
    const whole = subject(graph);
    const memory = [addon.allocate(BUFFER), addon.allocate(BUFFER)];
    const random = new Random(11);
    expect(await attempt(addon, memory, whole.tape.words, whole, random, 0)).toBe('ran');
    const outcomes = { refused: 0, ran: 0 };
    for (let i = 0; i < CASES; i++) {
      const words = whole.tape.words.slice();
      for (let n = random.pick([1, 1, 2, 5]); n > 0; n--) {
        const at = random.int(0, words.length - 1);
        words[at] = wild(random, words[at] as number);
      }
      // The arena's size: what is allocated is also filled, and tests share their machine.
      words[6] = (words[6] as number) & 0xffffff;
      words[7] = 0;
      outcomes[await attempt(addon, memory, words, whole, random)]++;
    }
    // Both happen: else the cases are all too wild, or nothing is checked.
    expect(outcomes.refused).toBeGreaterThan(CASES / 10);
    expect(outcomes.ran).toBeGreaterThan(CASES / 50);
  });

  it('an arena larger than memory', async () => {
    const whole = subject(subjects['every op']);
    const memory = [addon.allocate(BUFFER), addon.allocate(BUFFER)];
    const words = whole.tape.words.slice();
    words[7] = 1 << 15;
    expect(await attempt(addon, memory, words, whole, new Random(1), 0)).toBe('refused');
  });

  it('cut off anywhere', async () => {
    const whole = subject(subjects['every op']);
    const memory = [addon.allocate(BUFFER), addon.allocate(BUFFER)];
    for (let length = 0; length < whole.tape.words.length; length++) {
      const cut = whole.tape.words.slice(0, length);
      expect(await attempt(addon, memory, cut, whole, new Random(1))).toBe('refused');
    }
  });

  it('arguments that are not what they should be', () => {
    const anything = addon as unknown as Record<string, (...args: unknown[]) => unknown>;
    const { tape, limits } = subject(subjects['every op']);
    const memory = addon.allocate(64);
    for (const args of [
      [],
      [1],
      ['x', {}, null],
      [memory, -1, new Uint8Array(8)],
      [memory, 60, new Uint8Array(8)],
    ]) {
      for (const name of [
        'read',
        'write',
        'release',
        'temporaryBytes',
        'arena',
        'releaseExecutable',
        'run',
      ]) {
        if (name === 'release' && args[0] === memory) continue;
        expect(() => anything[name]?.(...args), `${name}(${args.length})`).toThrow();
      }
    }
    const compile = (weights: unknown[]): unknown =>
      anything['compile']?.(tape.words, weights, [], limits, 1, true, '', false, false);
    expect(() => compile([[memory, 0, 65]])).toThrow(/outside/);
    expect(() => compile([[{}, 0, 8]])).toThrow(/handle/);
    addon.release(memory);
    expect(() => compile([[memory, 0, 8]])).toThrow(/released/);
    expect(() => addon.read(memory, 0, new Uint8Array(1))).toThrow(/released/);
  });
});
