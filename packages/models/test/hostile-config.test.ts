import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { SteelyardError } from '@steelyard/core';
import type { MetadataValue, ModelFile } from '@steelyard/formats';
import { architectures, loadModel } from '../src/index.ts';
import { tinyConfig, tinyGguf, tinySafetensors, zeros } from './tiny-file.ts';

const options = { pageSize: 4, kvDType: 'f32' } as const;

/** Loads, or refuses with one of our own errors. */
function survives(file: ModelFile): void {
  try {
    loadModel(file, options);
  } catch (error) {
    expect(error).toBeInstanceOf(SteelyardError);
  }
}

const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, 1, -1, 2 ** 31, 2 ** 53, 1e300));
const value = fc.oneof(number, fc.jsonValue({ maxDepth: 2 }));
const ropeKey = fc.constantFrom(
  'rope_type',
  'type',
  'factor',
  'rope_theta',
  'low_freq_factor',
  'high_freq_factor',
  'original_max_position_embeddings',
  'attention_factor',
  'beta_fast',
  'beta_slow',
);
const rope = fc.dictionary(ropeKey, fc.oneof(number, fc.constantFrom('linear', 'llama3', 'yarn', 'dynamic')));
const families = architectures.flatMap(({ huggingFace }) => huggingFace);

describe('hostile files', () => {
  it('with any settings load or are refused', () => {
    const key = fc.constantFrom(
      ...Object.keys(tinyConfig),
      'head_dim',
      'rope_theta',
      'layer_types',
      'n_embd',
      'n_head',
    );
    const config = fc.dictionary(key, value, { maxKeys: 3 });
    fc.assert(
      fc.property(config, rope, fc.constantFrom(...families), (changes, scaling, family) => {
        survives(tinySafetensors({ ...changes, model_type: family, rope_scaling: scaling }));
      }),
      { numRuns: 500, seed: 7 },
    );
  });

  it('with any metadata load or are refused', () => {
    const names = [...tinyGguf().metadata.keys()].filter((name) => name.startsWith('llama.'));
    const extra = ['rope.scaling.type', 'rope.scaling.factor', 'rope.freq_base', 'rope.dimension_count'];
    const key = fc.constantFrom(...names, ...extra.map((name) => `llama.${name}`));
    const metadata = fc.dictionary(key, fc.oneof(number, fc.bigInt(), fc.string()), { maxKeys: 3 });
    fc.assert(
      fc.property(metadata, (changes) => survives(tinyGguf(changes as Record<string, MetadataValue>))),
      { numRuns: 500, seed: 7 },
    );
  });

  it('with tensors of any shape load or are refused', () => {
    const name = fc.constantFrom(...tinyGguf().tensors.keys(), 'rope_freqs.weight', 'blk.9.attn_q.weight');
    const shape = fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 4 });
    fc.assert(
      fc.property(name, shape, (tensor, dims) => survives(tinyGguf({}, { [tensor]: zeros(...dims) }))),
      { numRuns: 500, seed: 7 },
    );
  });
});
