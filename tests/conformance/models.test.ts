/** Every golden model, in every file it is published in, on every backend of this machine. */

import { afterAll, describe, expect, it } from 'vitest';
import { architectures, loadModel } from '@steelyard/models';
import { availableBackends, boundOf, runsOn } from './backends.ts';
import { listGoldens } from './goldens.ts';
import { longest, measure, PAGE_SIZE, relativeError } from './measure.ts';
import { openModel } from '@steelyard/formats/node';

const goldens = listGoldens();
const backends = availableBackends();

afterAll(() => {
  for (const backend of backends) backend.dispose();
});

describe('goldens', () => {
  it('exist for every variant that the registry names, and for no other', () => {
    const named = architectures.flatMap(({ name, variants }) => variants.map((v) => `${name}/${v}`));
    expect(goldens.map((g) => `${g.architecture}/${g.variant}`)).toEqual(named.sort());
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
          const opened = openModel(file.path);
          try {
            const contextLength = longest(golden);
            const model = loadModel(opened, { pageSize: PAGE_SIZE, kvDType: 'f32', contextLength });
            expect(model.config.architecture).toBe(golden.architecture);
            expect(model.config.vocabSize).toBe(golden.vocabSize);
            const everyCut = backend.name !== 'reference' || file.format === 'safetensors';
            const errors = await measure(backend, model, golden, everyCut);
            const bound = boundOf(backend, file);
            const failed = Object.entries(errors).filter(([, error]) => !(error <= bound));
            expect(failed, `errors above ${bound}`).toEqual([]);
          } finally {
            opened.close();
          }
        });
      }
    }
  });
}
