/**
 * Granite 3, dense: Llama with multipliers on embeddings, residuals, attention scores and logits.
 * @see Granite team 2024, "Granite 3.0 Language Models"; transformers' `modeling_granite.py`
 */

import { defineArchitecture } from './architecture.ts';
import { decoderNames } from './blocks/decoder-names.ts';
import { decoder, decoderFacts } from './blocks/decoder.ts';
import { readLlama, type LlamaConfig } from './blocks/llama-config.ts';
import { scaledPreNorm } from './blocks/wirings.ts';
import type { ConfigReader } from './config-reader.ts';

interface GraniteConfig extends LlamaConfig {
  readonly embeddingScale: number;
  readonly residualScale: number;
  readonly scale: number;
  /** Logits are divided by it. */
  readonly logitScale: number;
}

export const granite = defineArchitecture<GraniteConfig>({
  name: 'granite',
  huggingFace: ['granite'],
  gguf: ['granite'],
  variants: ['biases-tied', 'scaled'],
  names: decoderNames,
  readConfig,
  forward: (step, config) =>
    decoder(step, config, {
      embeddingScale: config.embeddingScale,
      wiring: scaledPreNorm(config.residualScale),
      finish: (logits) => step.g.scale(logits, { by: 1 / config.logitScale }),
    }),
  facts: decoderFacts,
});

function readConfig(reader: ConfigReader): GraniteConfig {
  const multiplier = (hf: string, gguf: string): number =>
    reader.number({ hf, gguf }, { min: 1e-9, max: 1e9, fallback: 1 });
  return {
    ...readLlama(reader, { architecture: 'granite', tied: false, interleavedInGguf: true }),
    embeddingScale: multiplier('embedding_multiplier', 'embedding_scale'),
    residualScale: multiplier('residual_multiplier', 'residual_scale'),
    scale: multiplier('attention_multiplier', 'attention.scale'),
    logitScale: multiplier('logits_scaling', 'logit_scale'),
  };
}
