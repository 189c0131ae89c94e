/**
 * Llama 1 to 3.x and what is built like it: SmolLM2, TinyLlama, Mistral 7B and Ministral 8B (sliding windows), Yi,
 * DeepSeek's Llama distills. Llama 4 and Mixtral are not.
 * @see Touvron et al. 2023, arXiv:2307.09288; Jiang et al. 2023, arXiv:2310.06825
 */

import { defineArchitecture } from './architecture.ts';
import { decoderNames } from './blocks/decoder-names.ts';
import { decoder, decoderFacts } from './blocks/decoder.ts';
import { readLayerWindows, readWindow, type LayerWindows } from './blocks/layer-windows.ts';
import { readLlama, type LlamaConfig } from './blocks/llama-config.ts';
import type { ConfigReader } from './config-reader.ts';

type WindowedConfig = LlamaConfig & { readonly windows: LayerWindows };

export const llama = defineArchitecture<WindowedConfig>({
  name: 'llama',
  huggingFace: ['llama', 'mistral', 'ministral'],
  gguf: ['llama'],
  variants: [
    'biases',
    'gqa-llama3',
    'gqa-tied',
    'head-dim',
    'linear',
    'mha',
    'ministral-layers',
    'mistral-window',
    'yarn',
    'yarn-attention-factor',
  ],
  names: decoderNames,
  readConfig,
  forward: (step, config) => decoder(step, config),
  facts: decoderFacts,
});

function readConfig(reader: ConfigReader): WindowedConfig {
  const llama = readLlama(reader, { architecture: 'llama', tied: false, interleavedInGguf: true });
  // transformers' Llama has no window and Mistral no biases, whatever their files say.
  const windowed = reader.format === 'safetensors' && reader.declared !== 'llama';
  const windows = windowed
    ? readLayerWindows(reader, llama.layers, readWindow(reader), () => true)
    : new Array<number>(llama.layers).fill(0);
  return { ...llama, windows };
}
