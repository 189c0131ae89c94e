/** Damaged GGUF files: a reader gives a model whose tensors can be read, or refuses with an error of its own. */

import { bufferSource, readGguf } from '@steelyard/formats';
import type { Random } from '@steelyard/graph';
import { it } from 'vitest';
import { find, ggufBytes, METADATA, TENSORS } from '../../packages/formats/test/files.ts';
import { damage, EXTREMES, FILE, fuzz, writeInteger } from './damage.ts';

const valid = ggufBytes();

/** Where counts, lengths, types, dims and offsets lie: the fields that a reader allocates or seeks by. */
const fields: readonly { readonly at: number; readonly size: 4 | 8 }[] = [
  { at: 4, size: 4 },
  { at: 8, size: 8 },
  { at: 16, size: 8 },
  ...Object.entries(METADATA).flatMap(([key, { type }]) => {
    const at = find(valid, key);
    const value = at + key.length + 4;
    return [
      { at: at - 8, size: 8 as const },
      { at: value - 4, size: 4 as const },
      ...(type === 'string' || type === 'array' ? [{ at: value, size: 8 as const }] : []),
      ...(type === 'array'
        ? [
            { at: value, size: 4 as const },
            { at: value + 4, size: 8 as const },
          ]
        : []),
    ];
  }),
  ...TENSORS.flatMap(({ name, shape }) => {
    const at = find(valid, name);
    const rank = at + name.length;
    const dims = shape.map((_, i) => ({ at: rank + 4 + i * 8, size: 8 as const }));
    const type = rank + 4 + shape.length * 8;
    return [
      { at: at - 8, size: 8 as const },
      { at: rank, size: 4 as const },
      ...dims,
      { at: type, size: 4 as const },
      { at: type + 4, size: 8 as const },
    ];
  }),
];

/** A field set to an extreme or a small value, at times with its neighbours. */
function damageFields(data: Uint8Array, random: Random): Uint8Array {
  const copy = data.slice();
  for (let edits = random.int(1, 3); edits > 0; edits--) {
    const { at, size } = random.pick(fields);
    const value = random.int(0, 2) === 0 ? BigInt(random.int(0, 300)) : random.pick(EXTREMES);
    writeInteger(copy, at, value, size);
  }
  return copy;
}

it('damaged GGUF', { timeout: 600_000 }, () => {
  fuzz(
    (random) => {
      let data = random.int(0, 1) === 0 ? valid : damageFields(valid, random);
      for (let edits = random.int(data === valid ? 1 : 0, 3); edits > 0; edits--) data = damage(data, random);
      return data;
    },
    (data) => readGguf([bufferSource(FILE, data)]).tensors,
  );
});
