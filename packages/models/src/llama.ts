/**
 * Llama 1 to 3.x and what is built like it: SmolLM2, TinyLlama, Mistral 7B and Ministral 8B (sliding windows),
 * Mixtral (experts), Yi, DeepSeek's Llama distills. Llama 4 is not.
 * @see Touvron et al. 2023, arXiv:2307.09288; Jiang et al. 2023, arXiv:2310.06825; Jiang et al. 2024, arXiv:2401.04088
 */

import { defineArchitecture } from './architecture.ts';
import { decoderNames, decoderTable } from './blocks/decoder-names.ts';
import { decoder, decoderFacts } from './blocks/decoder.ts';
import { describeExperts, hasExperts, readExperts, type ExpertsConfig } from './blocks/expert-config.ts';
import { expertMlp } from './blocks/experts.ts';
import { readLayerWindows, readWindow, type LayerWindows } from './blocks/layer-windows.ts';
import { readLlama, type LlamaConfig } from './blocks/llama-config.ts';
import type { ConfigReader } from './config-reader.ts';

interface WholeConfig extends LlamaConfig {
  readonly windows: LayerWindows;
  /** Mixtral's. */
  readonly experts?: ExpertsConfig;
}

/** The weights of a token's experts add up to one. */
const ROUTING = { score: 'softmax', normalise: 'sum' } as const;

export const llama = defineArchitecture<WholeConfig>({
  name: 'llama',
  huggingFace: ['llama', 'mistral', 'ministral', 'mixtral'],
  gguf: ['llama'],
  variants: [
    'biases',
    'gelu',
    'gqa-llama3',
    'gqa-tied',
    'head-dim',
    'linear',
    'mha',
    'ministral-layers',
    'mistral-window',
    'mixtral',
    'mixtral-window',
    'yarn',
    'yarn-attention-factor',
  ],
  names: {
    ...decoderNames,
    huggingFace: {
      ...decoderTable,
      'blk.{i}.ffn_gate_inp': 'layers.{i}.block_sparse_moe.gate',
      'blk.{i}.ffn_gate_exps': 'layers.{i}.block_sparse_moe.experts.{e}.w1',
      'blk.{i}.ffn_up_exps': 'layers.{i}.block_sparse_moe.experts.{e}.w3',
      'blk.{i}.ffn_down_exps': 'layers.{i}.block_sparse_moe.experts.{e}.w2',
    },
    earlierGguf: {
      'blk.{i}.ffn_gate_exps': 'blk.{i}.ffn_gate.{e}',
      'blk.{i}.ffn_up_exps': 'blk.{i}.ffn_up.{e}',
      'blk.{i}.ffn_down_exps': 'blk.{i}.ffn_down.{e}',
    },
  },
  readConfig,
  forward(step, config) {
    const { experts, activation } = config;
    if (!experts) return decoder(step, config);
    const options = { ...experts, routing: ROUTING, activation };
    return decoder(step, config, { feed: (x, block) => expertMlp(step, x, block, options) });
  },
  facts: (config) => ({ ...decoderFacts(config), ...(config.experts && describeExperts(config.experts)) }),
});

function readConfig(reader: ConfigReader): WholeConfig {
  const llama = readLlama(reader, { architecture: 'llama', tied: false, interleavedInGguf: true });
  // transformers' Llama has no window and Mistral no biases, whatever their files say.
  const windowed = reader.format === 'safetensors' && reader.declared !== 'llama';
  const windows = windowed
    ? readLayerWindows(reader, llama.layers, readWindow(reader), () => true)
    : new Array<number>(llama.layers).fill(0);
  // GGUF files of Mixtral are Llamas with experts.
  const sparse = reader.format === 'gguf' ? hasExperts(reader) : reader.declared === 'mixtral';
  return { ...llama, windows, ...(sparse && { experts: readExperts(reader, { width: llama.feedForward }) }) };
}
