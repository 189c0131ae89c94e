/** Jamba's settings and tensors, as published and as they should not be. */

import { join } from 'node:path';
import { FormatError, UnsupportedError } from '@steelyard/core';
import type { ModelFile } from '@steelyard/formats';
import { openModel } from '@steelyard/formats/node';
import { symbolsOf } from '@steelyard/graph';
import { afterAll, describe, expect, it } from 'vitest';
import { loadModel } from '../src/index.ts';
import { common, readPublished as read } from './published-config.ts';

const golden = join(import.meta.dirname, '../../../tests/golden/models/jamba/mixed');
const folder = openModel(golden);
const gguf = openModel(join(golden, 'model-f16.gguf'));
afterAll(() => [folder, gguf].forEach((file) => file.close()));

const load = (file: ModelFile) => loadModel(file, { pageSize: 4, kvDType: 'f32' });

/** With settings replaced. */
function changed(file: ModelFile, changes: Readonly<Record<string, unknown>>): ModelFile {
  if (file.format === 'safetensors') return { ...file, config: { ...file.config, ...changes } };
  return { ...file, metadata: new Map([...file.metadata, ...Object.entries(changes)] as []) };
}

const published = {
  ...common,
  architectures: ['JambaForCausalLM'],
  attention_dropout: 0.0,
  attn_layer_offset: 4,
  attn_layer_period: 8,
  bos_token_id: 1,
  eos_token_id: 2,
  expert_layer_offset: 1,
  expert_layer_period: 2,
  hidden_act: 'silu',
  hidden_size: 4096,
  intermediate_size: 14336,
  mamba_conv_bias: true,
  mamba_d_conv: 4,
  mamba_d_state: 16,
  mamba_dt_rank: 256,
  mamba_expand: 2,
  mamba_inner_layernorms: true,
  mamba_proj_bias: false,
  max_position_embeddings: 262144,
  model_type: 'jamba',
  num_attention_heads: 32,
  num_experts: 16,
  num_experts_per_tok: 2,
  num_hidden_layers: 32,
  num_key_value_heads: 8,
  num_logits_to_keep: 1,
  output_router_logits: false,
  pad_token_id: 0,
  rms_norm_eps: 1e-6,
  router_aux_loss_coef: 0.001,
  sliding_window: null,
  tie_word_embeddings: false,
  use_mamba_kernels: true,
  vocab_size: 65536,
};

describe('settings of Jamba', () => {
  it('say which layers attend, which have experts, and how large states are', () => {
    const config = read(published);
    const layersOf = (flags: unknown) => (flags as boolean[]).flatMap((flag, i) => (flag ? [i] : []));
    expect(layersOf(config['attends'])).toEqual([4, 12, 20, 28]);
    expect(layersOf(config['sparse'])).toEqual(Array.from({ length: 16 }, (_, i) => 2 * i + 1));
    const mamba = { inner: 8192, numbers: 16, taps: 4, rank: 256, convBias: true, projectionBias: false };
    expect(config).toMatchObject({ headDim: 128, kvHeads: 8, mamba });
    expect(read({ ...published, mamba_dt_rank: 'auto', hidden_size: 4064 })).toMatchObject({
      mamba: { rank: 254 },
    });
    // An only expert is a plain feed-forward layer.
    const dense = read({ ...published, num_experts: 1, num_experts_per_tok: 1 });
    expect(layersOf(dense['sparse'])).toEqual([]);
  });

  it.each([
    [
      { attn_layer_offset: 8 },
      FormatError,
      /attn_layer_offset is 8, expected less than attn_layer_period, 8/,
    ],
    [{ expert_layer_period: 0 }, FormatError, /expert_layer_period is 0/],
    [{ mamba_d_conv: 1 }, FormatError, /mamba_d_conv is 1, expected a number from 2/],
    [{ mamba_dt_rank: 'all' }, FormatError, /mamba_dt_rank is "all"/],
    [{ mamba_inner_layernorms: false }, UnsupportedError, /mamba_inner_layernorms is false/],
    [{ sliding_window: 4096 }, UnsupportedError, /sliding_window=4096/],
    [{ rope_theta: 10000 }, UnsupportedError, /rope_theta=10000/],
  ])('are refused: %o', (changes, type, message) => {
    const attempt = () => read({ ...published, ...changes });
    expect(attempt).toThrow(type);
    expect(attempt).toThrow(message);
  });
});

describe('tensors of Jamba', () => {
  it('give states for the cache and for recurrences', () => {
    for (const model of [load(folder), load(gguf)]) {
      expect(model.kv.states.map(({ name }) => name)).toEqual(['kv.1.k', 'kv.1.v']);
      expect(model.recurrent).toEqual(
        [0, 2, 3].flatMap((layer) => [
          { name: `ssm.${layer}.conv`, rows: 3, channels: 64 },
          { name: `ssm.${layer}.scan`, rows: 16, channels: 64 },
        ]),
      );
      const inputs = model.graph.sources.filter(({ storage }) => storage === 'input');
      expect(inputs.map(({ name }) => name)).toContain('stateSlots');
      expect(symbolsOf(model.graph)).toContain('R');
      expect(model.facts).toMatchObject({ 'recurrent state': '64 x (16 + 3) in 3 of 4 layers' });
    }
  });

  it('that are of another kind of layer are named with what they are in place of', () => {
    const wrong = changed(folder, { attn_layer_offset: 0, attn_layer_period: 4 });
    expect(() => load(wrong)).toThrow(FormatError);
    expect(() => load(wrong)).toThrow(/layers\.0\.self_attn\.q_proj\.weight is missing.*it holds .*mamba/);
  });

  it('in GGUF files attend where head_count_kv is not 0', () => {
    const key = 'jamba.attention.head_count_kv';
    expect(() => load(changed(gguf, { [key]: [0, 2] }))).toThrow(/has 2 entries for 4 layers/);
    expect(() => load(changed(gguf, { [key]: [0, 2, 0, 1] }))).toThrow(UnsupportedError);
    expect(() => load(changed(gguf, { [key]: [0, -2, 0, 0] }))).toThrow(UnsupportedError);
    expect(() => load(changed(gguf, { [key]: [0, 2, 2, 0] }))).toThrow(/blk\.2\.attn_q\.weight is missing/);
  });
});
