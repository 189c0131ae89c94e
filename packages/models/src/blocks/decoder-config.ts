/** Settings that decoders of the Llama kind share, under the names of both formats. */

import { FormatError, UnsupportedError } from '@steelyard/core';
import { limits, type ConfigReader } from '../config-reader.ts';
import type { ModelConfig } from '../model.ts';
import type { Bias } from './linear.ts';

export interface DecoderConfig extends ModelConfig {
  readonly feedForward: number;
  readonly eps: number;
  readonly tied: boolean;
}

export interface DecoderDefaults {
  readonly architecture: string;
  /** `tie_word_embeddings` when `config.json` does not say. */
  readonly tied: boolean;
  /** Which norm the epsilon is of; default RMS. */
  readonly norm?: 'rms' | 'layer';
  /** `head_dim` when `config.json` does not say; default hidden_size / heads. */
  readonly headDim?: number;
  /** Of every layer that attends, where the architecture has read them itself. */
  readonly kvHeads?: number;
  /** Elements of heads, where the architecture has settings of its own for them. */
  readonly headSizes?: HeadSizes;
}

export interface HeadSizes {
  readonly headDim: number;
  readonly valueDim: number;
}

/** Reads sizes, the norm's epsilon and whether the head is tied. @throws FormatError for impossible sizes */
export function readDecoder(reader: ConfigReader, defaults: DecoderDefaults): DecoderConfig {
  const width = { min: 1, max: limits.width };
  const count = { min: 1, max: limits.heads };
  const hiddenSize = reader.integer({ hf: 'hidden_size', gguf: 'embedding_length' }, width);
  const heads = reader.integer({ hf: 'num_attention_heads', gguf: 'attention.head_count' }, count);
  const kvHeads =
    defaults.kvHeads ??
    reader.integer(
      { hf: 'num_key_value_heads', gguf: 'attention.head_count_kv' },
      { ...count, fallback: heads },
    );
  const sizes = defaults.headSizes ?? readHeadSizes(reader, defaults.headDim ?? hiddenSize / heads);
  if (!reader.flag({ gguf: 'attention.causal' }, true)) {
    throw new UnsupportedError(
      `${reader.fileName}: attention.causal is false; ${reader.declared} here sees only what came before`,
    );
  }
  if (heads % kvHeads !== 0) {
    throw new FormatError(`${reader.fileName}: ${heads} heads do not divide among ${kvHeads} kv heads`);
  }
  return {
    architecture: defaults.architecture,
    vocabSize: readVocabSize(reader),
    contextLength: reader.integer(
      { hf: 'max_position_embeddings', gguf: 'context_length' },
      { min: 1, max: limits.positions },
    ),
    hiddenSize,
    layers: reader.integer({ hf: 'num_hidden_layers', gguf: 'block_count' }, { min: 1, max: limits.layers }),
    heads,
    kvHeads,
    ...sizes,
    feedForward: reader.integer({ hf: 'intermediate_size', gguf: 'feed_forward_length' }, width),
    eps: reader.number(
      defaults.norm === 'layer'
        ? { hf: 'layer_norm_eps', gguf: 'attention.layer_norm_epsilon' }
        : { hf: 'rms_norm_eps', gguf: 'attention.layer_norm_rms_epsilon' },
      { min: 0, max: 1 },
    ),
    tied: readTied(reader, defaults.tied),
  };
}

/** @throws FormatError where keys and values differ */
function readHeadSizes(reader: ConfigReader, fallback: number): HeadSizes {
  const width = { min: 1, max: limits.width };
  const headDim = reader.integer({ hf: 'head_dim', gguf: 'attention.key_length' }, { ...width, fallback });
  const valueDim = reader.integer({ gguf: 'attention.value_length' }, { ...width, fallback: headDim });
  if (valueDim !== headDim) {
    throw new FormatError(`${reader.fileName}: value heads have ${valueDim} elements, key heads ${headDim}`);
  }
  return { headDim, valueDim };
}

/** Rows of the embedding table; GGUF files that do not say have as many as the table. */
export function readVocabSize(reader: ConfigReader): number {
  const rule = { min: 1, max: limits.vocab };
  const rows = reader.tensorRows('token_embd.weight');
  return reader.integer(
    { hf: 'vocab_size', gguf: 'vocab_size' },
    rows === undefined ? rule : { ...rule, fallback: rows },
  );
}

/** GGUF files say it by leaving the head out. */
export function readTied(reader: ConfigReader, fallback: boolean): boolean {
  if (reader.format === 'gguf') return reader.tensorRows('output.weight') === undefined;
  return reader.flag({ hf: 'tie_word_embeddings' }, fallback);
}

/** Whether linear layers have biases: `config.json` says it, GGUF files by the tensors they hold. */
export function readBias(reader: ConfigReader, key: string): Bias {
  return reader.format === 'gguf' ? 'as-stored' : reader.flag({ hf: key }, false);
}
