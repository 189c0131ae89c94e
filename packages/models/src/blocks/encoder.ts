/**
 * Encoders of BERT's kind: every token sees its whole sequence, norms after each block, hidden states instead of
 * logits. A sequence is computed in one step, since its first token depends on its last.
 */

import { UnsupportedError } from '@steelyard/core';
import type { Value } from '@steelyard/graph';
import { limits, type ConfigReader } from '../config-reader.ts';
import type { ModelConfig } from '../model.ts';
import type { Step } from '../step.ts';
import { selfAttention, type SelfAttention } from './attention.ts';
import { readVocabSize } from './decoder-config.ts';
import { embedTokens } from './linear.ts';
import { layerNorm } from './norms.ts';
import { postNorm } from './wirings.ts';

export interface EncoderConfig extends ModelConfig {
  readonly causal: false;
  readonly feedForward: number;
  readonly eps: number;
  /** Kinds of text that a token may be marked as. */
  readonly types: number;
}

/** Reads sizes and the norm's epsilon under BERT's names and GPT-2's, which some encoders took over. */
export function readEncoder(reader: ConfigReader, architecture: string): EncoderConfig {
  const width = { min: 1, max: limits.width };
  const hiddenSize = reader.integer({ hf: ['hidden_size', 'n_embd'], gguf: 'embedding_length' }, width);
  const heads = reader.integer(
    { hf: ['num_attention_heads', 'n_head'], gguf: 'attention.head_count' },
    { min: 1, max: limits.heads },
  );
  const perHead = { ...width, fallback: hiddenSize / heads };
  const headDim = reader.integer({ hf: 'head_dim', gguf: 'attention.key_length' }, perHead);
  reader.integer({ gguf: 'attention.value_length' }, { min: headDim, max: headDim, fallback: headDim });
  if (reader.flag({ gguf: 'attention.causal' }, false)) {
    throw new UnsupportedError(`${reader.fileName}: attention.causal is true; an encoder here never is`);
  }
  // Of the head that guesses masked words.
  reader.ignore({ hf: 'tie_word_embeddings' });
  const types = reader.tensorRows('token_types.weight') ?? 2;
  return {
    architecture,
    causal: false,
    vocabSize: readVocabSize(reader),
    contextLength: reader.integer(
      { hf: ['max_trained_positions', 'max_position_embeddings', 'n_positions'], gguf: 'context_length' },
      { min: 1, max: limits.positions },
    ),
    hiddenSize,
    layers: reader.integer(
      { hf: ['num_hidden_layers', 'n_layer'], gguf: 'block_count' },
      { min: 1, max: limits.layers },
    ),
    heads,
    kvHeads: heads,
    headDim,
    feedForward: reader.integer(
      { hf: ['intermediate_size', 'n_inner'], gguf: 'feed_forward_length' },
      { min: 1, max: 4 * limits.width },
    ),
    eps: reader.number(
      { hf: ['layer_norm_eps', 'layer_norm_epsilon'], gguf: 'attention.layer_norm_epsilon' },
      { min: 0, max: 1, fallback: 1e-12 },
    ),
    types: reader.integer({ hf: 'type_vocab_size' }, { min: 1, max: limits.vocab, fallback: types }),
  };
}

export interface EncoderParts {
  /** Added to the embeddings: learned positions. */
  readonly positions?: Value;
  readonly attention: Partial<SelfAttention>;
  readonly feed: (x: Value, block: string) => Value;
}

/** Hidden states of the wanted rows: [V, hidden]. */
export function encoder(step: Step, config: EncoderConfig, parts: EncoderParts): Value {
  const { g } = step;
  const { hiddenSize, heads, kvHeads, headDim, eps } = config;
  const norm = (x: Value, name: string): Value => layerNorm(step, x, name, eps);
  const embedded = embedTokens(step, config.vocabSize, hiddenSize);
  const placed = parts.positions ? g.add(embedded, parts.positions) : embedded;
  let x = norm(withTypes(step, placed, config), 'token_embd_norm'); // [T, hidden]
  for (let layer = 0; layer < config.layers; layer++) {
    const block = `blk.${layer}`;
    const attention = { heads, kvHeads, headDim, layer, causal: false, ...parts.attention };
    x = postNorm(g, x, {
      norm: (y, name) => norm(y, `${block}.${name}`),
      attend: (y) => selfAttention(step, y, block, attention),
      feed: (y) => parts.feed(y, block),
    });
  }
  return g.gather(x, step.rows);
}

/** Marks tokens by their text where there are two; elsewhere all are of the first kind. */
function withTypes(step: Step, x: Value, { types, hiddenSize }: EncoderConfig): Value {
  const { g } = step;
  if (!step.hasWeight('token_types.weight')) return x;
  const shape = [types, hiddenSize];
  if (step.output === 'score' && types > 1)
    return g.add(x, g.gather(step.weight('token_types.weight', shape), step.textTypes));
  const first = step.readTable('token_types.weight', shape)!.slice(0, hiddenSize);
  return g.add(x, g.constant('token_type', first));
}
