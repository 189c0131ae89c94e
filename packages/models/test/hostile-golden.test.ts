/** The configuration of every golden model with settings changed: it loads, or it is refused by an error of ours. */

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SteelyardError } from '@steelyard/core';
import type { SafetensorsFile } from '@steelyard/formats';
import { openModel } from '@steelyard/formats/node';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../src/index.ts';

const root = join(import.meta.dirname, '../../../tests/golden/models');
const folders = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .flatMap(({ name }) => readdirSync(join(root, name)).map((variant) => `${name}/${variant}`))
  .filter((folder) => existsSync(join(root, folder, 'model.safetensors')));

const number = fc.oneof(
  fc.integer({ min: -2, max: 70 }),
  fc.constantFrom(0.5, 1e-9, 2 ** 31, 2 ** 53, 1e300, -1),
);
const value = fc.oneof(
  number,
  fc.boolean(),
  fc.jsonValue({ maxDepth: 2 }),
  fc.array(number, { maxLength: 5 }),
);

/** Replaces the settings that `changes` names, in a nested part where one has them. */
function changed(config: Record<string, unknown>, changes: Readonly<Record<string, unknown>>) {
  const nested = config['text_config'];
  if (typeof nested !== 'object') return { ...config, ...changes };
  return { ...config, text_config: { ...nested, ...changes } };
}

describe('with settings changed', () => {
  it.each(folders)('%s', (folder) => {
    const file = openModel(join(root, folder)) as SafetensorsFile;
    const output = file.modules ? 'hidden' : 'logits';
    const options = { pageSize: 4, kvDType: 'f32', output } as const;
    const { text_config: nested, ...plain } = file.config;
    const keys = Object.keys({ ...plain, ...(nested as object | undefined) });
    const settings = fc.dictionary(fc.constantFrom(...keys), value, { minKeys: 1, maxKeys: 2 });
    fc.assert(
      fc.property(settings, (changes) => {
        try {
          loadModel({ ...file, config: changed(file.config, changes) }, options);
        } catch (error) {
          expect(error).toBeInstanceOf(SteelyardError);
        }
      }),
      { numRuns: 60, seed: 11 },
    );
    file.close();
  });
});
