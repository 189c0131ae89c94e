/**
 * Command R7B and Command A: LayerNorm without bias, attention and MLP side by side, three layers with a window
 * and positions to one with neither, scaled logits.
 * @see transformers' `modeling_cohere2.py`; Yang et al. 2025, arXiv:2501.18795
 */

import { defineArchitecture } from './architecture.ts';
import { cohereParts, readCohere, type CohereConfig } from './blocks/cohere.ts';
import { decoderNames } from './blocks/decoder-names.ts';
import { decoder, decoderFacts } from './blocks/decoder.ts';
import { readLayerWindows, readWindow, type LayerWindows } from './blocks/layer-windows.ts';
import { limits, type ConfigReader } from './config-reader.ts';

type Cohere2Config = CohereConfig & { readonly windows: LayerWindows };

/** Every fourth layer sees all tokens, where the file does not say. */
const PATTERN = 4;

export const cohere2 = defineArchitecture<Cohere2Config>({
  name: 'cohere2',
  huggingFace: ['cohere2'],
  gguf: ['cohere2'],
  variants: ['biases', 'window'],
  names: decoderNames,
  readConfig,
  forward: (step, config) =>
    decoder(step, config, {
      ...cohereParts(step, config),
      attention: (layer) => (config.windows[layer] ? {} : { rope: undefined }),
    }),
  facts: decoderFacts,
});

function readConfig(reader: ConfigReader): Cohere2Config {
  const cohere = readCohere(reader, 'cohere2', 10000);
  const pattern = reader.integer(
    { hf: ['sliding_window_pattern', '_sliding_window_pattern', 'layer_switch'] },
    { min: 1, max: limits.layers, fallback: PATTERN },
  );
  reader.choice({ hf: 'position_embedding_type' }, ['rope_gptj'], 'rope_gptj');
  reader.choice({ hf: 'order_of_interleaved_layers' }, ['local_attn_first'], 'local_attn_first');
  reader.number({ hf: 'rotary_pct' }, { min: 1, max: 1, fallback: 1 });
  const isLocal = (layer: number): boolean => (layer + 1) % pattern !== 0;
  return { ...cohere, windows: readLayerWindows(reader, cohere.layers, readWindow(reader), isLocal) };
}
