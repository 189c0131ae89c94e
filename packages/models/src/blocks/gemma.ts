/** What the Gemma families share: settings, names, norms around zero, scaled embeddings. */

import type { Value } from '@steelyard/graph';
import type { ConfigReader } from '../config-reader.ts';
import type { Step } from '../step.ts';
import type { WeightNames } from '../weight-names.ts';
import { readBias, readDecoder, type DecoderConfig } from './decoder-config.ts';
import { decoderNames, decoderTable } from './decoder-names.ts';
import type { DecoderParts } from './decoder.ts';
import type { Bias } from './linear.ts';
import { activationNames, type Activation } from './mlp.ts';
import { rmsNorm } from './norms.ts';

export interface GemmaConfig extends DecoderConfig {
  readonly activation: Activation;
  readonly attentionBias: Bias;
}

export function readGemma(reader: ConfigReader, architecture: string): GemmaConfig {
  return {
    ...readDecoder(reader, { architecture, tied: true, headDim: 256 }),
    activation: reader.choice(
      { hf: ['hidden_activation', 'hidden_act'] },
      activationNames,
      'gelu_pytorch_tanh',
    ),
    attentionBias: readBias(reader, 'attention_bias'),
  };
}

/** Factor on q . k of Gemma 2 and 3. GGUF files leave that of the largest model, of `largest` layers, to the reader. */
export function readGemmaScale(reader: ConfigReader, config: GemmaConfig, largest: number): number {
  const perHead = config.layers === largest ? config.hiddenSize / config.heads : config.headDim;
  const fallback = reader.format === 'gguf' ? perHead : 256;
  return reader.number({ hf: 'query_pre_attn_scalar' }, { min: 1e-6, max: 1e6, fallback }) ** -0.5;
}

/** A cap in tokens' scores; a key that is there and null switches it off. */
export function readCap(reader: ConfigReader, name: string, missing: number): number {
  const fallback = reader.isNull({ hf: name }) ? 0 : missing;
  return reader.number({ hf: name, gguf: name }, { min: 0, max: 1e6, fallback });
}

/** Norms and embeddings of every Gemma. */
export function gemmaParts(
  step: Step,
  config: GemmaConfig,
): DecoderParts & Required<Pick<DecoderParts, 'norm'>> {
  // Converters to GGUF add the one to the weights.
  const offset = step.format === 'gguf' ? 0 : 1;
  const norm = (x: Value, name: string): Value => rmsNorm(step, x, name, config.eps, { offset });
  return { norm, embeddingScale: Math.sqrt(config.hiddenSize) };
}

/** Names of the layers with norms on both sides of each block. */
export const sandwichNames: WeightNames = {
  ...decoderNames,
  huggingFace: {
    ...decoderTable,
    'blk.{i}.post_attention_norm': 'layers.{i}.post_attention_layernorm',
    'blk.{i}.ffn_norm': 'layers.{i}.pre_feedforward_layernorm',
    'blk.{i}.post_ffw_norm': 'layers.{i}.post_feedforward_layernorm',
  },
};
