/** How files say that they make vectors of texts, and what is refused. */

import { describe, expect, it } from 'vitest';
import { UnsupportedError } from '@steelyard/core';
import type { SafetensorsFile } from '@steelyard/formats';
import { loadModel } from '../src/index.ts';
import { tinyGguf, tinySafetensors } from './tiny-file.ts';

const hidden = { pageSize: 4, kvDType: 'f32', output: 'hidden' } as const;
const text = { pageSize: 4, kvDType: 'f32' } as const;

function withModules(...modules: [type: string, config?: Record<string, unknown>][]): SafetensorsFile {
  const listed = modules.map(([type, config = {}]) => ({
    type: `sentence_transformers.models.${type}`,
    config,
  }));
  return { ...tinySafetensors(), modules: listed };
}

describe('pooling', () => {
  it('is read from either format', () => {
    const flags = {
      pooling_mode_cls_token: false,
      pooling_mode_mean_tokens: true,
      pooling_mode_max_tokens: false,
    };
    expect(loadModel(withModules(['Transformer'], ['Pooling', flags], ['Normalize']), hidden).pooling).toBe(
      'mean',
    );
    expect(loadModel(withModules(['Pooling', { pooling_mode: 'lasttoken' }]), hidden).pooling).toBe('last');
    expect(loadModel(tinyGguf({ 'llama.pooling_type': 2 }), hidden).pooling).toBe('cls');
    expect(loadModel(tinyGguf({ 'llama.pooling_type': 0 }), hidden).pooling).toBeUndefined();
    expect(loadModel(tinyGguf(), hidden)).not.toHaveProperty('pooling');
  });

  it('of kinds that are not implemented is refused, but only for vectors', () => {
    const both = { pooling_mode_mean_tokens: true, pooling_mode_cls_token: true };
    const dense = withModules(['Pooling', { pooling_mode_mean_tokens: true }], ['Dense']);
    for (const [file, word] of [
      [withModules(['Pooling', both]), /pooling_mode_mean_tokens and pooling_mode_cls_token/],
      [withModules(['Pooling', { pooling_mode_max_tokens: true }]), /pooling_mode_max_tokens/],
      [dense, /Dense/],
      [tinyGguf({ 'llama.pooling_type': 4 }), /reranker/],
    ] as const) {
      expect(() => loadModel(file, hidden)).toThrow(word);
      expect(() => loadModel(file, hidden)).toThrow(UnsupportedError);
      expect(loadModel(file, text).graph.outputs).toHaveProperty('logits');
    }
  });
});

describe('hidden states', () => {
  it('end the graph before the head, which needs no weight then', () => {
    const { graph, weights } = loadModel(tinySafetensors(), hidden);
    expect(Object.entries(graph.outputs).map(([name, { shape }]) => [name, shape])).toEqual([
      ['hidden', ['V', 8]],
    ]);
    expect([...weights.keys()]).not.toContain('output.weight');
    expect(
      loadModel(tinySafetensors({}, { 'lm_head.weight': undefined }), hidden).config.causal,
    ).toBeUndefined();
  });

  it('of decoders that are said to see what follows are refused', () => {
    expect(() => loadModel(tinyGguf({ 'llama.attention.causal': false }), hidden)).toThrow(
      /attention.causal/,
    );
  });
});
