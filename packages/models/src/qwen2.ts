/**
 * Qwen2 and 2.5, and DeepSeek's Qwen distills: Llama with biases on q, k and v.
 * @see Yang et al. 2024, arXiv:2407.10671
 */

import { defineArchitecture } from './architecture.ts';
import { decoderNames } from './blocks/decoder-names.ts';
import { decoder, decoderFacts } from './blocks/decoder.ts';
import { readQwen, type QwenConfig } from './blocks/qwen-config.ts';

export const qwen2 = defineArchitecture<QwenConfig>({
  name: 'qwen2',
  huggingFace: ['qwen2'],
  gguf: ['qwen2'],
  variants: ['tied', 'window', 'yarn'],
  names: decoderNames,
  readConfig: (reader) => readQwen(reader, 'qwen2'),
  forward: (step, config) => decoder(step, config, { attention: () => ({ bias: true }) }),
  facts: decoderFacts,
});
