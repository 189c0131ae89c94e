/**
 * Gemma 1 and CodeGemma: Llama with norms around zero, scaled embeddings, GeGLU.
 * @see Gemma team 2024, arXiv:2403.08295
 */

import { defineArchitecture } from './architecture.ts';
import { decoderNames } from './blocks/decoder-names.ts';
import { decoder, decoderFacts } from './blocks/decoder.ts';
import { gemmaParts, readGemma, type GemmaConfig } from './blocks/gemma.ts';
import { readRope, type RopeConfig } from './blocks/rope-config.ts';
import type { ConfigReader } from './config-reader.ts';

type Gemma1Config = GemmaConfig & { readonly rope: RopeConfig };

export const gemma = defineArchitecture<Gemma1Config>({
  name: 'gemma',
  huggingFace: ['gemma'],
  gguf: ['gemma'],
  variants: ['biases', 'mqa'],
  names: decoderNames,
  readConfig,
  forward: (step, config) => decoder(step, config, gemmaParts(step, config)),
  facts: decoderFacts,
});

function readConfig(reader: ConfigReader): Gemma1Config {
  const read = readGemma(reader, 'gemma');
  return {
    ...read,
    // The first releases say gelu and were trained with its approximation, as the reference knows.
    activation: read.activation === 'gelu' ? 'gelu_pytorch_tanh' : read.activation,
    rope: readRope(reader, { ...read, interleavedInGguf: false }),
  };
}
