/** Settings of Llama and of the families that add only a few of their own. */

import type { ConfigReader } from '../config-reader.ts';
import { readBias, readDecoder, type DecoderConfig, type DecoderDefaults } from './decoder-config.ts';
import type { Bias } from './linear.ts';
import { activationNames, type Activation } from './mlp.ts';
import { readRope, type RopeConfig, type RopeDefaults } from './rope-config.ts';

export interface LlamaConfig extends DecoderConfig {
  readonly activation: Activation;
  readonly attentionBias: Bias;
  readonly mlpBias: Bias;
  readonly rope: RopeConfig;
}

export type LlamaDefaults = DecoderDefaults & Omit<RopeDefaults, 'headDim' | 'contextLength'>;

/** Sizes, activation, biases of attention and MLP, rope. */
export function readLlama(reader: ConfigReader, defaults: LlamaDefaults): LlamaConfig {
  const decoder = readDecoder(reader, defaults);
  return {
    ...decoder,
    activation: reader.choice({ hf: 'hidden_act' }, activationNames, 'silu'),
    attentionBias: readBias(reader, 'attention_bias'),
    mlpBias: readBias(reader, 'mlp_bias'),
    rope: readRope(reader, { ...defaults, ...decoder }),
  };
}
