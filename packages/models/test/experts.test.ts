/** How experts that files hold one by one become the parts of one weight, and what is refused. */

import { FormatError } from '@steelyard/core';
import type { TensorData } from '@steelyard/graph';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../src/index.ts';
import { tinyGguf, tinySafetensors, zeros } from './tiny-file.ts';

const OPTIONS = { pageSize: 4, kvDType: 'f32' } as const;
const EXPERTS = 3;

type Tensors = Record<string, TensorData | undefined>;

/** The tensors that make the tiny Llama a Mixtral. */
function expertTensors(): Tensors {
  const tensors: Tensors = {};
  for (const i of [0, 1]) {
    for (const name of ['gate_proj', 'up_proj', 'down_proj'])
      tensors[`model.layers.${i}.mlp.${name}.weight`] = undefined;
    const moe = `model.layers.${i}.block_sparse_moe`;
    tensors[`${moe}.gate.weight`] = zeros(EXPERTS, 8);
    for (let e = 0; e < EXPERTS; e++) {
      tensors[`${moe}.experts.${e}.w1.weight`] = zeros(16, 8);
      tensors[`${moe}.experts.${e}.w2.weight`] = zeros(8, 16);
      tensors[`${moe}.experts.${e}.w3.weight`] = zeros(16, 8);
    }
  }
  return tensors;
}

const config = { model_type: 'mixtral', num_local_experts: EXPERTS, num_experts_per_tok: 2 };
const load = (changes: Tensors = {}, settings: object = {}) =>
  loadModel(tinySafetensors({ ...config, ...settings }, { ...expertTensors(), ...changes }), OPTIONS);

describe('experts that a file holds one by one', () => {
  it('are the parts of one weight, in order', () => {
    const marked = { ...zeros(16, 8), bytes: () => new Uint8Array(512).fill(7) };
    const { weights } = load({ 'model.layers.1.block_sparse_moe.experts.2.w1.weight': marked });
    const gate = weights.get('blk.1.ffn_gate_exps.weight');
    expect(gate?.shape).toEqual([EXPERTS, 16, 8]);
    expect(gate?.parts?.map((part) => part.bytes()[0])).toEqual([0, 0, 7]);
    expect([...(gate?.bytes() ?? [])].map((b, i) => (b === 7) === i >= 1024)).not.toContain(false);
  });

  it('must all be there, of one shape and format, and none too many', () => {
    const name = 'model.layers.0.block_sparse_moe.experts.1.w2.weight';
    expect(() => load({ [name]: undefined })).toThrow(/experts\.1\.w2\.weight is missing/);
    expect(() => load({ [name]: zeros(8, 8) })).toThrow(
      /experts\.1\.w2\.weight has shape \[8, 8\], expected \[8, 16\]/,
    );
    const half: TensorData = { ...zeros(8, 16), dtype: 'f16', byteLength: 256 };
    expect(() => load({ [name]: half })).toThrow(/stored as f32 and as f16/);
    expect(() => load({ 'model.layers.0.block_sparse_moe.experts.3.w1.weight': zeros(16, 8) })).toThrow(
      /no place for tensors model\.layers\.0\.block_sparse_moe\.experts\.3/,
    );
  });

  it('settings that cannot be', () => {
    expect(() => load({}, { num_experts_per_tok: 4 })).toThrow(FormatError);
    expect(() => load({}, { num_experts_per_tok: 4 })).toThrow(/4 experts per token are more than the 3/);
    expect(() => load({}, { num_local_experts: 1e9 })).toThrow(/num_local_experts is 1000000000/);
  });
});

it('a GGUF Llama with experts wants their tensors', () => {
  const file = tinyGguf({ 'llama.expert_count': 4, 'llama.expert_used_count': 2 });
  expect(() => loadModel(file, OPTIONS)).toThrow(
    /blk\.0\.ffn_gate_inp\.weight is missing, expected shape \[4, 8\]/,
  );
});

it('early GGUF files of Mixtral hold experts one by one too', () => {
  const tensors: Tensors = {};
  for (const i of [0, 1]) {
    for (const name of ['gate', 'up', 'down']) tensors[`blk.${i}.ffn_${name}.weight`] = undefined;
    tensors[`blk.${i}.ffn_gate_inp.weight`] = zeros(EXPERTS, 8);
    for (let e = 0; e < EXPERTS; e++) {
      tensors[`blk.${i}.ffn_gate.${e}.weight`] = zeros(16, 8);
      tensors[`blk.${i}.ffn_up.${e}.weight`] = zeros(16, 8);
      tensors[`blk.${i}.ffn_down.${e}.weight`] = zeros(8, 16);
    }
  }
  const metadata = { 'llama.expert_count': EXPERTS, 'llama.expert_used_count': 2 };
  const { weights } = loadModel(tinyGguf(metadata, tensors), OPTIONS);
  expect(weights.get('blk.1.ffn_down_exps.weight')?.parts).toHaveLength(EXPERTS);
  const incomplete = { ...tensors, 'blk.1.ffn_up.2.weight': undefined };
  expect(() => loadModel(tinyGguf(metadata, incomplete), OPTIONS)).toThrow(
    /blk\.1\.ffn_up\.2\.weight is missing/,
  );
});
