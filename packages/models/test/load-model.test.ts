import { describe, expect, it } from 'vitest';
import { FormatError, UnsupportedError } from '@steelyard/core';
import { dumpGraph, symbolsOf } from '@steelyard/graph';
import type { ModelFile } from '@steelyard/formats';
import { architectures, loadModel } from '../src/index.ts';
import { tinyGguf, tinySafetensors, zeros } from './tiny-file.ts';

const options = { pageSize: 4, kvDType: 'f16' } as const;
const load = (file: ModelFile) => loadModel(file, options);

describe('loadModel', () => {
  it('gives config, weights, caches and counts of a safetensors folder', () => {
    const model = load(tinySafetensors());
    expect(model.config).toMatchObject({
      architecture: 'llama',
      vocabSize: 12,
      layers: 2,
      kvHeads: 1,
      headDim: 4,
    });
    expect(model.kv.states).toEqual(
      ['kv.0.k', 'kv.0.v', 'kv.1.k', 'kv.1.v'].map((name) => ({ name, heads: 1, dim: 4 })),
    );
    // Two tables, three norms' worth of vectors per two layers, four attention and three MLP matrices each.
    expect(model.parameterCount).toBe(2 * 96 + 5 * 8 + 2 * (64 + 32 + 32 + 64 + 3 * 128));
    expect(model.weightBytes).toBe(4 * model.parameterCount);
    expect(model.facts).toMatchObject({ 'rope scaling': 'none', 'tied embeddings': 'no' });
  });

  it('refuses a cache in blocks that do not divide its heads', () => {
    const load = () => loadModel(tinyGguf(), { ...options, kvDType: 'q8_0' });
    expect(load).toThrow(UnsupportedError);
    expect(load).toThrow(
      /blocks of 32 elements, which do not divide this model's heads of 4; keep the cache in f16/,
    );
  });

  it('gives exactly the weights, states and inputs of the graph', () => {
    const { graph, weights, kv } = load(tinyGguf());
    const names = (storage: string): string[] =>
      graph.sources.filter((v) => v.storage === storage && !v.data).map((v) => v.name);
    expect(names('weight').sort()).toEqual([...weights.keys()].sort());
    expect(names('state')).toEqual(kv.states.map((s) => s.name));
    expect(names('input')).toEqual(['tokens', 'positions', 'sequences', 'slots', 'pages', 'rows']);
    expect(symbolsOf(graph)).toEqual(['N', 'P', 'S', 'T', 'V']);
    expect(graph.outputs['logits']).toMatchObject({ shape: ['V', 12], dtype: 'f32' });
    const state = graph.sources.find((v) => v.name === 'kv.0.k');
    expect(state).toMatchObject({ shape: ['N', 1, 4, 4], dtype: 'f16' });
  });

  it('pairs neighbours in GGUF files of llama and halves in safetensors', () => {
    expect(dumpGraph(load(tinyGguf()).graph)).toContain('interleaved=true');
    expect(dumpGraph(load(tinySafetensors()).graph)).toContain('interleaved=false');
  });

  it('converts vectors to float32 and leaves matrices as published', () => {
    const half = (...shape: number[]) => ({
      ...zeros(...shape),
      dtype: 'f16' as const,
      byteLength: 2 * shape.reduce((a, b) => a * b, 1),
      // 1.5 in float16
      bytes: () =>
        Uint8Array.from({ length: 2 * shape.reduce((a, b) => a * b, 1) }, (_, i) => (i % 2 ? 0x3e : 0)),
    });
    const file = tinySafetensors({}, { 'model.norm.weight': half(8), 'lm_head.weight': half(12, 8) });
    const { weights } = load(file);
    expect(weights.get('output.weight')?.dtype).toBe('f16');
    const norm = weights.get('output_norm.weight');
    expect(norm?.dtype).toBe('f32');
    expect([...new Float32Array(norm?.bytes().buffer as ArrayBuffer)]).toEqual(new Array(8).fill(1.5));
  });

  it('accepts names with and without prefix, harmless leftovers, and a repeated tied head', () => {
    const bare = tinySafetensors();
    const tensors = new Map([...bare.tensors].map(([name, data]) => [name.replace(/^model\./, ''), data]));
    expect(load({ ...bare, tensors }).weights.size).toBe(21);
    const extra = { 'model.layers.0.self_attn.rotary_emb.inv_freq': zeros(2) };
    expect(load(tinySafetensors({ tie_word_embeddings: true }, extra)).weights.size).toBe(20);
  });
});

describe('loadModel refuses', () => {
  const refuse = (
    file: ModelFile,
    type: typeof FormatError | typeof UnsupportedError,
    ...words: string[]
  ): void => {
    let error: unknown;
    try {
      load(file);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(type);
    for (const word of words) expect((error as Error).message).toContain(word);
  };

  it('unknown architectures, saying what is supported', () => {
    refuse(
      tinySafetensors({ model_type: 'marvin' }),
      UnsupportedError,
      '"marvin"',
      ...architectures.flatMap(({ huggingFace }) => huggingFace),
      'steelyard show --supported',
    );
    refuse(
      tinyGguf({ 'general.architecture': 'marvin' }),
      UnsupportedError,
      '"marvin"',
      'general.architecture',
      ...architectures.flatMap(({ gguf }) => gguf),
    );
    // What the other format calls it.
    refuse(tinyGguf({ 'general.architecture': 'mistral' }), UnsupportedError, '"mistral"');
    refuse(tinySafetensors({ model_type: undefined }), UnsupportedError, 'missing');
    refuse(tinySafetensors({ model_type: 7 }), UnsupportedError, 'missing');
  });

  it('missing, misshapen and superfluous tensors, by name', () => {
    const name = 'layers.1.self_attn.k_proj.weight';
    refuse(tinySafetensors({}, { [`model.${name}`]: undefined }), FormatError, name, 'missing', '[4, 8]');
    refuse(tinySafetensors({}, { [`model.${name}`]: zeros(8, 4) }), FormatError, name, '[8, 4]', '[4, 8]');
    refuse(
      tinyGguf({}, { 'blk.1.attn_k.weight': zeros(4, 8, 1) }),
      FormatError,
      'blk.1.attn_k.weight',
      '[4, 8, 1]',
    );
    refuse(
      tinySafetensors({}, { 'model.layers.2.norm.weight': zeros(8) }),
      FormatError,
      'model.layers.2.norm.weight',
    );
    refuse(
      tinySafetensors({}, { 'model.layers.0.self_attn.q_proj.bias': zeros(8) }),
      FormatError,
      'q_proj.bias',
    );
    refuse(tinySafetensors({ num_hidden_layers: 1 }), FormatError, 'model.layers.1');
  });

  it('a file of a variant, by all that is missing and what it has instead', () => {
    const fused = {
      'blk.0.attn_q.weight': undefined,
      'blk.0.attn_k.weight': undefined,
      'blk.0.attn_v.weight': undefined,
      'blk.0.attn_qkv.weight': zeros(16, 8),
    };
    refuse(
      tinyGguf({}, fused),
      FormatError,
      'blk.0.attn_q.weight is missing, expected shape [8, 8], and so are blk.0.attn_k.weight [4, 8], blk.0.attn_v.weight',
      'it holds blk.0.attn_qkv.weight, which has no place',
      'steelyard show --supported',
    );
    refuse(tinyGguf({ 'llama.block_count': 900 }), FormatError, 'blk.2.attn_norm.weight', 'more');
  });

  it('settings that it would have to ignore', () => {
    refuse(tinySafetensors({ attention_multiplier: 0.5 }), UnsupportedError, 'attention_multiplier=0.5');
    refuse(tinySafetensors({ sliding_window: 16 }), UnsupportedError, 'sliding_window=16');
    refuse(
      tinySafetensors({ quantization_config: { quant_method: 'fp8' } }),
      UnsupportedError,
      'quantization_config',
    );
    refuse(tinySafetensors({ hidden_act: 'relu' }), UnsupportedError, 'relu', 'silu');
    refuse(tinyGguf({ 'llama.expert_group_count': 8 }), UnsupportedError, 'llama.expert_group_count=8');
    refuse(
      tinySafetensors({ rope_scaling: { type: 'dynamic', factor: 2 } }),
      UnsupportedError,
      'dynamic',
      'yarn',
    );
    refuse(tinySafetensors({ rope_scaling: { type: 'dynamic', factor: 2 } }), UnsupportedError, 'dynamic');
    refuse(
      tinySafetensors({ rope_parameters: { rope_type: 'default', partial_rotary_factor: 0.5 } }),
      UnsupportedError,
      'partial_rotary_factor',
    );
    refuse(tinyGguf({ 'llama.rope.scaling.type': 'longrope' }), UnsupportedError, 'longrope');
  });

  it('accepts settings that say nothing', () => {
    const config = {
      sliding_window: null,
      rope_scaling: null,
      torch_dtype: 'bfloat16',
      use_cache: true,
      extra: false,
    };
    expect(load(tinySafetensors(config)).config.layers).toBe(2);
  });

  it.each([
    ['num_hidden_layers', 1e9],
    ['num_hidden_layers', 0],
    ['num_hidden_layers', 1.5],
    ['num_hidden_layers', '2'],
    ['num_hidden_layers', undefined],
    ['num_attention_heads', 0],
    ['num_attention_heads', 3],
    ['num_key_value_heads', -1],
    ['num_key_value_heads', 2 ** 40],
    ['hidden_size', Infinity],
    ['hidden_size', NaN],
    ['vocab_size', 1e12],
    ['vocab_size', []],
    ['head_dim', 3],
    ['intermediate_size', {}],
    ['rms_norm_eps', -1],
    ['rope_theta', 0],
    ['rope_scaling', 'linear'],
    ['rope_scaling', { type: 'linear' }],
    ['rope_scaling', { type: 'linear', factor: 0 }],
    ['tie_word_embeddings', 'yes'],
    ['max_position_embeddings', 2 ** 32],
  ])('%s of %s', (key, value) => {
    refuse(tinySafetensors({ [key]: value }), FormatError, 'tiny');
  });

  it.each([
    ['llama.block_count', 1e9],
    ['llama.block_count', 'many'],
    ['llama.attention.head_count', 0],
    ['llama.attention.head_count', [2, 2]],
    ['llama.embedding_length', 2n ** 63n],
    ['llama.rope.dimension_count', 5],
    ['llama.rope.dimension_count', 3],
    ['llama.vocab_size', 13],
  ])('%s of %s', (key, value) => {
    refuse(tinyGguf({ [key]: value }), FormatError, key === 'llama.vocab_size' ? 'token_embd' : key);
  });
});
