/**
 * BERT and what is built like it: MiniLM, BGE, E5, GTE. Only the encoder, and the head that scores two texts: no masked
 * words.
 * @see Devlin et al. 2019, arXiv:1810.04805; Reimers and Gurevych 2019, arXiv:1908.10084
 */

import { defineArchitecture } from './architecture.ts';
import { encoder, readEncoder, type EncoderConfig } from './blocks/encoder.ts';
import { activationNames, plainMlp, type Activation } from './blocks/mlp.ts';
import type { ConfigReader } from './config-reader.ts';

type BertConfig = EncoderConfig & { readonly activation: Activation };

export const bert = defineArchitecture<BertConfig>({
  name: 'bert',
  huggingFace: ['bert'],
  gguf: ['bert'],
  variants: ['cls', 'mean'],
  encoder: true,
  names: {
    huggingFace: {
      token_embd: 'embeddings.word_embeddings',
      position_embd: 'embeddings.position_embeddings',
      token_types: 'embeddings.token_type_embeddings',
      token_embd_norm: 'embeddings.LayerNorm',
      'blk.{i}.attn_q': 'encoder.layer.{i}.attention.self.query',
      'blk.{i}.attn_k': 'encoder.layer.{i}.attention.self.key',
      'blk.{i}.attn_v': 'encoder.layer.{i}.attention.self.value',
      'blk.{i}.attn_output': 'encoder.layer.{i}.attention.output.dense',
      'blk.{i}.attn_output_norm': 'encoder.layer.{i}.attention.output.LayerNorm',
      'blk.{i}.ffn_up': 'encoder.layer.{i}.intermediate.dense',
      'blk.{i}.ffn_down': 'encoder.layer.{i}.output.dense',
      'blk.{i}.layer_output_norm': 'encoder.layer.{i}.output.LayerNorm',
      cls: 'pooler.dense',
      'cls.output': 'classifier',
    },
    optionalPrefixes: ['bert.'],
    unusedHuggingFace: /^(bert\.)?pooler\.|^(bert\.)?embeddings\.position_ids$|^cls\./,
  },
  readConfig,
  forward: (step, config) => {
    const table = step.weight('position_embd.weight', [config.contextLength, config.hiddenSize]);
    const mlp = { width: config.feedForward, activation: config.activation, bias: true };
    return encoder(step, config, {
      positions: step.g.gather(table, step.positions),
      attention: { bias: true, outputBias: true },
      feed: (x, block) => plainMlp(step, x, block, mlp),
    });
  },
});

function readConfig(reader: ConfigReader): BertConfig {
  reader.choice({ hf: 'position_embedding_type' }, ['absolute'], 'absolute');
  return {
    ...readEncoder(reader, 'bert'),
    activation: reader.choice({ hf: 'hidden_act' }, activationNames, 'gelu'),
  };
}
