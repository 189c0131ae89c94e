/**
 * SmolLM3: Llama in which every fourth layer has no positions.
 * @see transformers' `modeling_smollm3.py`; Yang et al. 2025, arXiv:2501.18795 (mixing layers without positions)
 */

import { defineArchitecture } from './architecture.ts';
import { decoderNames } from './blocks/decoder-names.ts';
import { decoder, decoderFacts } from './blocks/decoder.ts';
import { readQwenWindows, type LayerWindows } from './blocks/layer-windows.ts';
import { readLlama, type LlamaConfig } from './blocks/llama-config.ts';
import { readPositioned } from './blocks/positioned-layers.ts';
import type { ConfigReader } from './config-reader.ts';

interface SmolLm3Config extends LlamaConfig {
  /** Whether each layer has positions. */
  readonly positioned: readonly boolean[];
  readonly windows: LayerWindows;
}

export const smollm3 = defineArchitecture<SmolLm3Config>({
  name: 'smollm3',
  huggingFace: ['smollm3'],
  gguf: ['smollm3'],
  variants: ['biases', 'interval', 'listed-window'],
  names: decoderNames,
  readConfig,
  forward: (step, config) =>
    decoder(step, config, {
      attention: (layer) => (config.positioned[layer] ? {} : { rope: undefined }),
    }),
  facts: (config) => ({
    ...decoderFacts(config),
    'layers without positions': String(config.positioned.filter((has) => !has).length),
  }),
});

function readConfig(reader: ConfigReader): SmolLm3Config {
  const defaults = { architecture: 'smollm3', tied: true, theta: 2e6, interleavedInGguf: true };
  const llama = readLlama(reader, defaults);
  const { layers } = llama;
  const positioned = readPositioned(reader, layers);
  return { ...llama, positioned, windows: readQwenWindows(reader, layers, (layer) => !positioned[layer]) };
}
