import { describe, expect, it } from 'vitest';
import { loadModel } from '../src/index.ts';
import { ropeFrequencies } from '../src/blocks/rope-frequencies.ts';
import { tinyGguf, tinySafetensors } from './tiny-file.ts';
import type { ModelFile } from '@steelyard/formats';

const options = { pageSize: 4, kvDType: 'f32' } as const;

/** The table of frequencies and the factor on sine and cosine that a file leads to. */
function ropeOf(file: ModelFile): { frequencies: number[]; scale: unknown } {
  const { graph } = loadModel(file, options);
  const node = graph.nodes.find((n) => n.op === 'rope');
  const bytes = node?.inputs[2]?.data?.bytes() as Uint8Array;
  return {
    frequencies: [...new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)],
    scale: node?.attrs['scale'],
  };
}

function expectClose(got: Iterable<number>, want: readonly number[]): void {
  [...got].forEach((value, i) => expect(value / (want[i] as number)).toBeCloseTo(1, 5));
}

describe('rope settings', () => {
  const scaling = { factor: 4, original_max_position_embeddings: 16 };

  it('mean the same under their old and new keys', () => {
    const old = ropeOf(tinySafetensors({ rope_theta: 500, rope_scaling: { type: 'yarn', ...scaling } }));
    const now = ropeOf(
      tinySafetensors({ rope_parameters: { rope_type: 'yarn', rope_theta: 500, ...scaling }, rope_theta: 7 }),
    );
    expect(now).toEqual(old);
    expect(old.scale).toBeCloseTo(0.1 * Math.log(4) + 1, 12);
  });

  it('mean the same in GGUF', () => {
    const yarn = { type: 'yarn', ...scaling, beta_fast: 2 };
    expect(
      ropeOf(
        tinyGguf({
          'llama.rope.freq_base': 500,
          'llama.rope.scaling.type': 'yarn',
          'llama.rope.scaling.factor': 4,
          'llama.rope.scaling.original_context_length': 16,
          'llama.rope.scaling.yarn_beta_fast': 2,
        }),
      ),
    ).toEqual(ropeOf(tinySafetensors({ rope_theta: 500, rope_scaling: yarn })));
    expect(ropeOf(tinyGguf({ 'llama.rope.scale_linear': 2 }))).toEqual(
      ropeOf(tinySafetensors({ rope_scaling: { type: 'linear', factor: 2 } })),
    );
    expect(ropeOf(tinyGguf({ 'llama.rope.scaling.type': 'none', 'llama.rope.scaling.factor': 2 }))).toEqual(
      ropeOf(tinySafetensors()),
    );
  });

  it('divide by the table of a GGUF file', () => {
    const divisors = Float32Array.of(1, 8);
    const data = {
      dtype: 'f32',
      shape: [2],
      byteLength: 8,
      bytes: () => new Uint8Array(divisors.buffer),
    } as const;
    const plain = ropeOf(tinyGguf()).frequencies as [number, number];
    const divided = ropeOf(tinyGguf({}, { 'rope_freqs.weight': data })).frequencies;
    expectClose(divided, [plain[0], plain[1] / 8]);
  });
});

describe('ropeFrequencies', () => {
  // Values of transformers 5.23.0, ROPE_INIT_FUNCTIONS, head_dim 16 (rows as in config.json).
  it('agrees with transformers', () => {
    expectClose(ropeFrequencies(16, 10000, { type: 'none' }), REFERENCE.none);
    expectClose(ropeFrequencies(16, 10000, { type: 'linear', factor: 3 }), REFERENCE.linear);
    expectClose(
      ropeFrequencies(16, 500000, {
        type: 'llama3',
        factor: 32,
        lowFreqFactor: 1,
        highFreqFactor: 4,
        originalContext: 8192,
      }),
      REFERENCE.llama3,
    );
    const yarn = {
      type: 'yarn',
      factor: 40,
      originalContext: 4096,
      betaFast: 32,
      betaSlow: 1,
      attentionFactor: 1,
    } as const;
    expectClose(ropeFrequencies(16, 10000, { ...yarn, truncate: true }), REFERENCE.yarn);
    expectClose(ropeFrequencies(16, 10000, { ...yarn, truncate: false }), REFERENCE.yarnUntruncated);
  });
});

const REFERENCE = {
  none: [1, 0.31622776, 0.1, 0.031622779, 0.0099999998, 0.0031622779, 0.001, 0.00031622779],
  linear: [
    0.33333334, 0.10540926, 0.033333335, 0.010540926, 0.0033333332, 0.0010540927, 0.00033333336,
    0.00010540926,
  ],
  llama3: [1, 0.19392276, 0.037606031, 0.0072926651, 0.00042955671, 8.5702559e-6, 1.6619674e-6, 3.2229329e-7],
  yarn: [1, 0.31622776, 0.1, 0.023914725, 0.0051249997, 0.00084986218, 2.4999999e-5, 7.9056945e-6],
  yarnUntruncated: [1, 0.31622776, 0.1, 0.027710859, 0.0055240626, 0.00072263816, 2.4999999e-5, 7.9056945e-6],
};
