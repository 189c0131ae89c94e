/**
 * Qwen3, dense: Llama with normalised heads of q and k.
 * @see Yang et al. 2025, arXiv:2505.09388
 */

import { defineArchitecture } from './architecture.ts';
import { readBias } from './blocks/decoder-config.ts';
import { decoderNames } from './blocks/decoder-names.ts';
import { decoder, decoderFacts, type StackConfig } from './blocks/decoder.ts';
import { rmsNorm } from './blocks/norms.ts';
import { readQwen } from './blocks/qwen-config.ts';

export const qwen3 = defineArchitecture<StackConfig>({
  name: 'qwen3',
  huggingFace: ['qwen3'],
  gguf: ['qwen3'],
  variants: ['biases-window', 'embedding', 'tied'],
  names: decoderNames,
  readConfig: (reader) => ({
    ...readQwen(reader, 'qwen3'),
    attentionBias: readBias(reader, 'attention_bias'),
  }),
  forward: (step, config) =>
    decoder(step, config, {
      attention: () => ({ headNorm: (x, name) => rmsNorm(step, x, name, config.eps) }),
    }),
  facts: decoderFacts,
});
