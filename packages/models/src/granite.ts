/**
 * Granite 3, dense: Llama with multipliers on embeddings, residuals, attention scores and logits.
 * @see Granite team 2024, "Granite 3.0 Language Models"; transformers' `modeling_granite.py`
 */

import type { Value } from '@steelyard/graph';
import { defineArchitecture } from './architecture.ts';
import { selfAttention } from './blocks/attention.ts';
import { readBias, readDecoder, type DecoderConfig } from './blocks/decoder-config.ts';
import { decoderNames } from './blocks/decoder-names.ts';
import { embedTokens, logits, type Bias } from './blocks/linear.ts';
import { activationNames, gatedMlp, type Activation } from './blocks/mlp.ts';
import { rmsNorm } from './blocks/norms.ts';
import { readRope, type RopeConfig } from './blocks/rope-config.ts';
import { createRope } from './blocks/rope.ts';
import type { ConfigReader } from './config-reader.ts';
import type { Step } from './step.ts';

interface GraniteConfig extends DecoderConfig {
  readonly activation: Activation;
  readonly attentionBias: Bias;
  readonly mlpBias: Bias;
  readonly rope: RopeConfig;
  readonly embeddingScale: number;
  readonly residualScale: number;
  /** Factor on q . k. */
  readonly scale: number;
  /** Logits are divided by it. */
  readonly logitScale: number;
}

export const granite = defineArchitecture<GraniteConfig>({
  name: 'granite',
  huggingFace: ['granite'],
  gguf: ['granite'],
  variants: ['scaled'],
  names: decoderNames,
  readConfig,
  forward,
});

function readConfig(reader: ConfigReader): GraniteConfig {
  const decoder = readDecoder(reader, { architecture: 'granite', tied: false });
  const multiplier = (hf: string, gguf: string): number =>
    reader.number({ hf, gguf }, { min: 1e-9, max: 1e9, fallback: 1 });
  return {
    ...decoder,
    activation: reader.choice({ hf: 'hidden_act' }, activationNames, 'silu'),
    attentionBias: readBias(reader, 'attention_bias'),
    mlpBias: readBias(reader, 'mlp_bias'),
    rope: readRope(reader, { ...decoder, interleavedInGguf: true }),
    embeddingScale: multiplier('embedding_multiplier', 'embedding_scale'),
    residualScale: multiplier('residual_multiplier', 'residual_scale'),
    scale: multiplier('attention_multiplier', 'attention.scale'),
    logitScale: multiplier('logits_scaling', 'logit_scale'),
  };
}

function forward(step: Step, config: GraniteConfig): Value {
  const { g } = step;
  const { eps, scale, attentionBias: bias } = config;
  const rope = createRope(step, config.rope);
  const mlp = { width: config.feedForward, activation: config.activation, bias: config.mlpBias };
  const residual = (x: Value, y: Value): Value => g.add(x, g.scale(y, { by: config.residualScale }));
  let x = g.scale(embedTokens(step, config.vocabSize, config.hiddenSize), { by: config.embeddingScale }); // [T, hidden]
  for (let layer = 0; layer < config.layers; layer++) {
    const block = `blk.${layer}`;
    const attention = { ...config, layer, scale, rope, bias, outputBias: bias };
    x = residual(x, selfAttention(step, rmsNorm(step, x, `${block}.attn_norm`, eps), block, attention));
    x = residual(x, gatedMlp(step, rmsNorm(step, x, `${block}.ffn_norm`, eps), block, mlp));
  }
  const wanted = rmsNorm(step, g.gather(x, step.rows), 'output_norm', eps); // [V, hidden]
  return g.scale(logits(step, wanted, config.vocabSize, config.tied), { by: 1 / config.logitScale });
}
