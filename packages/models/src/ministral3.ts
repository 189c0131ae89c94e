/**
 * Ministral 3: Mistral with yarn, whose queries grow far from the start. Files hold a vision tower too, which is left
 * unread.
 * @see transformers' `modeling_ministral3.py`
 */

import { UnsupportedError } from '@steelyard/core';
import type { Value } from '@steelyard/graph';
import { defineArchitecture } from './architecture.ts';
import { decoderNames } from './blocks/decoder-names.ts';
import { decoder, decoderFacts } from './blocks/decoder.ts';
import { readWindow, type LayerWindows } from './blocks/layer-windows.ts';
import { readLlama, type LlamaConfig } from './blocks/llama-config.ts';
import type { ConfigReader } from './config-reader.ts';

interface Ministral3Config extends LlamaConfig {
  readonly windows: LayerWindows;
  readonly tempering: { readonly by: number; readonly every: number; readonly offset: number };
}

export const ministral3 = defineArchitecture<Ministral3Config>({
  name: 'ministral3',
  huggingFace: ['ministral3', 'mistral3'],
  gguf: ['mistral3'],
  variants: ['nested', 'window'],
  names: {
    ...decoderNames,
    optionalPrefixes: ['model.', 'language_model.model.', 'language_model.', 'model.language_model.'],
    unusedHuggingFace: /^(model\.)?(vision_tower|multi_modal_projector)\.|rotary_emb\.inv_freq$/,
  },
  readConfig,
  forward: (step, config) =>
    decoder(step, config, {
      attention: () => ({ query: (q: Value) => step.g.temper(q, step.positions, config.tempering) }),
    }),
  facts: (config) => ({ ...decoderFacts(config), 'queries grow by': String(config.tempering.by) }),
});

/** Files of the whole model nest the settings of its text part. */
function readConfig(reader: ConfigReader): Ministral3Config {
  const text = reader.declared === 'mistral3' ? reader.section('text_config') : undefined;
  if (!text) return readText(reader);
  if (text.text({ hf: 'model_type' }, '') !== 'ministral3') {
    throw new UnsupportedError(`${text.fileName}: model_type is not ministral3, the only one supported here`);
  }
  const config = readText(text);
  text.finish();
  const sight = ['vision_config', 'image_token_index', 'multimodal_projector_bias', 'projector_hidden_act'];
  for (const hf of [...sight, 'spatial_merge_size', 'vision_feature_layer']) reader.ignore({ hf });
  // The whole model's word counts.
  return { ...config, tied: reader.flag({ hf: 'tie_word_embeddings' }, config.tied) };
}

function readText(reader: ConfigReader): Ministral3Config {
  const architecture = 'ministral3';
  const defaults = { architecture, tied: false, theta: 1e6, interleavedInGguf: true, tempered: true };
  const llama = readLlama(reader, defaults);
  const { scaling } = llama.rope;
  if (scaling.type !== 'yarn') {
    throw new UnsupportedError(`${reader.fileName}: rope is not scaled by yarn, the only way supported here`);
  }
  const by =
    scaling.tempering ?? reader.number({ gguf: 'attention.temperature_scale' }, { min: 0, max: 1e3 });
  // GGUF files leave out `mscale`, which in all that are published is the same.
  const same = reader.number({ gguf: 'rope.scaling.yarn_log_multiplier' }, { min: 0, max: 100, fallback: 0 });
  const rope = same > 0 ? { ...llama.rope, scaling: { ...scaling, attentionFactor: 1 } } : llama.rope;
  const windows = new Array<number>(llama.layers).fill(readWindow(reader));
  return { ...llama, rope, windows, tempering: { by, every: scaling.originalContext, offset: 0 } };
}
