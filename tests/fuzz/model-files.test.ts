/**
 * Damaged model files: whatever bytes come, a reader gives a model whose tensors can be read, or refuses with
 * FormatError or UnsupportedError. FUZZ_CASES and FUZZ_SEED change how many and which.
 */

import { FormatError, UnsupportedError } from '@steelyard/core';
import { bufferSource, readGguf, readSafetensors } from '@steelyard/formats';
import { Random, type TensorData } from '@steelyard/graph';
import { expect, it } from 'vitest';
import { ggufBytes, SAFETENSORS, safetensorsBytes } from '../../packages/formats/test/files.ts';

const CASES = Number(process.env['FUZZ_CASES'] ?? 4000);
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_260_101);

const EXTREMES = [0n, 1n, 7n, 255n, 2n ** 31n - 1n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

/** One to four edits: flipped bytes, extreme integers, a cut, or a piece moved elsewhere. */
function damage(valid: Uint8Array, random: Random): Uint8Array {
  let data = valid.slice();
  for (let edits = random.int(1, 4); edits > 0 && data.length > 8; edits--) {
    const at = random.int(0, data.length - 1);
    const kind = random.int(0, 4);
    if (kind === 0) data[at] = random.int(0, 255);
    else if (kind === 1) data[at] = (data[at] as number) ^ (1 << random.int(0, 7));
    else if (kind === 2) {
      const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
      view.setBigUint64(Math.min(at, data.length - 8), random.pick(EXTREMES), true);
    } else if (kind === 3) data = data.slice(0, at);
    else data.copyWithin(random.int(0, data.length - 1), at, at + random.int(1, 64));
  }
  return data;
}

const formats = [
  {
    name: 'GGUF',
    valid: ggufBytes(),
    read: (data: Uint8Array): ReadonlyMap<string, TensorData> =>
      readGguf([bufferSource('fuzz', data)]).tensors,
  },
  {
    name: 'safetensors',
    valid: safetensorsBytes({ __metadata__: { format: 'pt' }, ...SAFETENSORS }, 32),
    read: (data: Uint8Array): ReadonlyMap<string, TensorData> => readSafetensors(bufferSource('fuzz', data)),
  },
];

it.each(formats)('$name', ({ valid, read }) => {
  const seen = { accepted: 0, refused: 0 };
  for (let i = 0; i < CASES; i++) {
    const seed = SEED + i;
    const data = damage(valid, new Random(seed));
    try {
      for (const tensor of read(data).values()) expect(tensor.bytes().length).toBe(tensor.byteLength);
      seen.accepted++;
    } catch (error) {
      if (!(error instanceof FormatError || error instanceof UnsupportedError)) {
        throw new Error(`FUZZ_SEED=${seed} FUZZ_CASES=1: ${String(error)}`, { cause: error });
      }
      seen.refused++;
    }
  }
  // Both must happen, or the edits prove nothing.
  expect(seen.accepted).toBeGreaterThan(0);
  expect(seen.refused).toBeGreaterThan(CASES / 4);
});
