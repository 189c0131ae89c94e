/**
 * OLMo 2: Llama with norms after each block instead of before, and with q and k normalised whole.
 * @see OLMo team 2025, arXiv:2501.00656
 */

import { defineArchitecture } from './architecture.ts';
import { decoderNames, decoderTable } from './blocks/decoder-names.ts';
import { decoder, decoderFacts } from './blocks/decoder.ts';
import { readLlama, type LlamaConfig } from './blocks/llama-config.ts';
import { rmsNorm } from './blocks/norms.ts';
import { normedResidual } from './blocks/wirings.ts';

export const olmo2 = defineArchitecture<LlamaConfig>({
  name: 'olmo2',
  huggingFace: ['olmo2'],
  gguf: ['olmo2'],
  variants: ['biases', 'mha', 'tied'],
  names: {
    ...decoderNames,
    huggingFace: {
      ...decoderTable,
      'blk.{i}.post_attention_norm': 'layers.{i}.post_attention_layernorm',
      'blk.{i}.post_ffw_norm': 'layers.{i}.post_feedforward_layernorm',
    },
  },
  readConfig: (reader) => readLlama(reader, { architecture: 'olmo2', tied: false, interleavedInGguf: false }),
  forward: (step, config) =>
    decoder(step, config, {
      wiring: normedResidual,
      attention: () => ({ flatNorm: (x, name) => rmsNorm(step, x, name, config.eps) }),
    }),
  facts: decoderFacts,
});
