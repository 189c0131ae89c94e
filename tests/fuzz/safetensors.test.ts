/** Damaged safetensors files: bytes anywhere, and headers that are JSON with wrong values in it. */

import { bufferSource, readSafetensors } from '@steelyard/formats';
import type { Random } from '@steelyard/graph';
import { it } from 'vitest';
import { SAFETENSORS, safetensorsBytes } from '../../packages/formats/test/files.ts';
import { damage, EXTREMES, FILE, fuzz } from './damage.ts';

const DATA_BYTES = 32;
const header = { __metadata__: { format: 'pt' }, ...SAFETENSORS };
const valid = safetensorsBytes(header, DATA_BYTES);

const ODD = [
  null,
  true,
  '',
  'F16',
  'BOOL',
  'F8_E5M2',
  -1,
  0.5,
  1e308,
  [],
  {},
  [[]],
  [0],
  [0, 0],
  [0, 32],
  [8, 4],
];

function oddValue(random: Random): unknown {
  const kind = random.int(0, 2);
  if (kind === 0) return random.pick(ODD);
  return kind === 1 ? Number(random.pick(EXTREMES)) : random.int(0, DATA_BYTES + 8);
}

/** Replaces one value somewhere in `value`, or all of it. */
function damageValue(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random.int(0, 5) === 0) return oddValue(random);
  const keys = Object.keys(value);
  if (keys.length === 0) return oddValue(random);
  const key = random.pick(keys);
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...value }) as Record<string, unknown>;
  if (random.int(0, 9) === 0) delete copy[key];
  else copy[key] = damageValue(copy[key], random);
  return copy;
}

/** Keys that appear twice, which no object has. */
function doubled(json: string, random: Random): string {
  return random.int(0, 19) === 0 ? json.replace('{', '{"lm_head.weight":0,') : json;
}

it('damaged safetensors', { timeout: 600_000 }, () => {
  fuzz(
    (random) => {
      if (random.int(0, 1) === 0) {
        let data = valid;
        for (let edits = random.int(1, 4); edits > 0; edits--) data = damage(data, random);
        return data;
      }
      let damaged: unknown = header;
      for (let edits = random.int(1, 3); edits > 0; edits--) damaged = damageValue(damaged, random);
      return safetensorsBytes(doubled(JSON.stringify(damaged), random), DATA_BYTES);
    },
    (data) => readSafetensors(bufferSource(FILE, data)),
  );
});
