/** Damage to model files, and what a reader may make of it; shared by the fuzzers of the formats. */

import { FormatError, UnsupportedError } from '@steelyard/core';
import { Random, type TensorData } from '@steelyard/graph';
import { expect } from 'vitest';

/** FUZZ_CASES and FUZZ_SEED change how many cases run, and which; case i has seed FUZZ_SEED + i. */
const CASES = Number(process.env['FUZZ_CASES'] ?? 4000);
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_260_101);

/** Name of the damaged file, which every refusal must begin with. */
export const FILE = 'fuzzed';

/** Borders of what a count, a length, an offset or a type may be. */
export const EXTREMES = [
  0n,
  1n,
  7n,
  8n,
  12n,
  255n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 8n,
  2n ** 64n - 1n,
];

export function writeInteger(data: Uint8Array, at: number, value: bigint, size: 4 | 8): void {
  if (at < 0 || at + size > data.length) return;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (size === 4) view.setUint32(at, Number(BigInt.asUintN(32, value)), true);
  else view.setBigUint64(at, BigInt.asUintN(64, value), true);
}

/** One edit anywhere: a byte, a bit, an extreme integer, a cut, or a piece of the file moved, put in or taken out. */
export function damage(data: Uint8Array, random: Random): Uint8Array {
  if (data.length < 2) return data;
  const copy = data.slice();
  const at = random.int(0, data.length - 1);
  const from = random.int(0, data.length - 1);
  const length = random.int(1, 64);
  switch (random.int(0, 6)) {
    case 0:
      copy[at] = random.int(0, 255);
      return copy;
    case 1:
      copy[at] = (copy[at] as number) ^ (1 << random.int(0, 7));
      return copy;
    case 2:
      writeInteger(copy, at, random.pick(EXTREMES), random.pick([4, 8]));
      return copy;
    case 3:
      return copy.subarray(0, at);
    case 4:
      return copy.copyWithin(from, at, at + length);
    case 5:
      return splice(data, at, at, data.subarray(from, from + length));
    default:
      return splice(data, at, at + length, new Uint8Array(0));
  }
}

function splice(data: Uint8Array, start: number, end: number, middle: Uint8Array): Uint8Array {
  return Uint8Array.from(Buffer.concat([data.subarray(0, start), middle, data.subarray(end)]));
}

/**
 * Reads many damaged files. What is accepted must be readable to its last tensor; what is refused must be refused
 * with an error that names the file; and both must happen, or the damage proves nothing.
 */
export function fuzz(
  make: (random: Random) => Uint8Array,
  read: (data: Uint8Array) => ReadonlyMap<string, TensorData>,
): void {
  console.log(`FUZZ_SEED=${SEED} FUZZ_CASES=${CASES}`);
  const seen = { accepted: 0, refused: 0 };
  for (let i = 0; i < CASES; i++) {
    const data = make(new Random(SEED + i));
    try {
      for (const tensor of read(data).values()) {
        expect(tensor.byteLength).toBeLessThanOrEqual(data.length);
        expect(tensor.bytes().length).toBe(tensor.byteLength);
      }
      seen.accepted++;
    } catch (error) {
      const expected = error instanceof FormatError || error instanceof UnsupportedError;
      if (!expected || !error.message.startsWith(`${FILE}: `)) {
        throw new Error(`FUZZ_SEED=${SEED + i} FUZZ_CASES=1: ${String(error)}`, { cause: error });
      }
      seen.refused++;
    }
  }
  if (CASES >= 100) {
    expect(seen.accepted).toBeGreaterThan(CASES / 100);
    expect(seen.refused).toBeGreaterThan(CASES / 4);
  }
}
