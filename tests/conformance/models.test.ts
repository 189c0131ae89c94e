/** Every golden model, in every file it is published in, on every backend of this machine. */

import { afterAll, describe, expect, it } from 'vitest';
import { architectures } from '@steelyard/models';
import { availableBackends, boundOf, runsOn } from './backends.ts';
import { listGoldens } from './goldens.ts';
import { measureFile } from './measure-file.ts';
import { relativeError } from './measure.ts';
import { rowOf, writeRows, type ConformanceRow } from './rows.ts';

const goldens = listGoldens();
const backends = availableBackends();
const rows: ConformanceRow[] = [];

afterAll(() => {
  for (const backend of backends) backend.dispose();
  const path = process.env['STEELYARD_CONFORMANCE_JSON'];
  if (path !== undefined) writeRows(path, rows);
});

describe('goldens', () => {
  it('exist for every variant that the registry names, and for no other', () => {
    const named = architectures.flatMap(({ name, variants }) => variants.map((v) => `${name}/${v}`));
    expect(goldens.map((g) => `${g.architecture}/${g.variant}`).sort()).toEqual(named.sort());
    expect(architectures.filter(({ variants }) => variants.length === 0)).toEqual([]);
  });

  it('tell rows that are wrong', () => {
    const want = Float32Array.of(1, 2, 3, 4);
    expect(relativeError(Float32Array.of(1, 2, 3, 4), want, 2)).toBe(0);
    expect(relativeError(Float32Array.of(1, 1, 3, 4), want, 2)).toBe(0.5);
    expect(relativeError(Float32Array.of(1, NaN, 3, 4), want, 2)).toBe(Infinity);
    expect(relativeError(Float32Array.of(1), want, 2)).toBe(Infinity);
  });
});

for (const backend of backends) {
  describe(backend.name, () => {
    for (const golden of goldens) {
      for (const file of golden.files.filter((f) => runsOn(backend, f))) {
        it(`${golden.architecture}/${golden.variant} ${file.format} agrees with ${golden.reference}`, async () => {
          const errors = await measureFile(backend, golden, file);
          rows.push(rowOf(backend, golden, file, errors));
          const bound = boundOf(backend, file);
          const failed = Object.entries(errors).filter(([, error]) => !(error <= bound));
          expect(failed, `errors above ${bound}`).toEqual([]);
        });
      }
    }
  });
}
