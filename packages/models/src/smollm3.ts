/**
 * SmolLM3: Llama in which every fourth layer has no positions.
 * @see transformers' `modeling_smollm3.py`; Yang et al. 2025, arXiv:2501.18795 (mixing layers without positions)
 */

import { FormatError } from '@steelyard/core';
import { defineArchitecture } from './architecture.ts';
import { decoderNames } from './blocks/decoder-names.ts';
import { decoder, decoderFacts } from './blocks/decoder.ts';
import { readQwenWindows, type LayerWindows } from './blocks/layer-windows.ts';
import { readLlama, type LlamaConfig } from './blocks/llama-config.ts';
import { limits, type ConfigReader } from './config-reader.ts';

interface SmolLm3Config extends LlamaConfig {
  /** Whether each layer has positions. */
  readonly positioned: readonly boolean[];
  readonly windows: LayerWindows;
}

const INTERVAL = 4;

export const smollm3 = defineArchitecture<SmolLm3Config>({
  name: 'smollm3',
  huggingFace: ['smollm3'],
  gguf: ['smollm3'],
  variants: ['interval', 'listed-window'],
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
  const interval = reader.integer(
    { hf: 'no_rope_layer_interval' },
    { min: 1, max: limits.layers, fallback: INTERVAL },
  );
  const listed = reader.integers({ hf: 'no_rope_layers' });
  if (listed && listed.length !== layers) {
    throw new FormatError(
      `${reader.fileName}: no_rope_layers has ${listed.length} entries for ${layers} layers`,
    );
  }
  // The list's name says the contrary of what it holds: 1 is a layer with positions.
  const positioned = Array.from({ length: layers }, (_, i) =>
    listed ? listed[i] !== 0 : (i + 1) % interval !== 0,
  );
  return { ...llama, positioned, windows: readQwenWindows(reader, layers, (layer) => !positioned[layer]) };
}
