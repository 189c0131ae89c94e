/**
 * Command R, Command R+ and Aya: LayerNorm without bias, attention and MLP side by side, scaled logits; heads of the
 * larger models are normalised.
 * @see transformers' `modeling_cohere.py`
 */

import type { Value } from '@steelyard/graph';
import { defineArchitecture } from './architecture.ts';
import { cohereParts, readCohere, type CohereConfig } from './blocks/cohere.ts';
import { decoderNames } from './blocks/decoder-names.ts';
import { decoder, decoderFacts } from './blocks/decoder.ts';
import { limits, type ConfigReader } from './config-reader.ts';
import type { Step } from './step.ts';

type Cohere1Config = CohereConfig & { readonly normedHeads: boolean };

export const cohere = defineArchitecture<Cohere1Config>({
  name: 'cohere',
  huggingFace: ['cohere'],
  gguf: ['command-r'],
  variants: ['biases', 'normed-heads', 'plain', 'untied'],
  names: decoderNames,
  readConfig,
  forward: (step, config) =>
    decoder(step, config, {
      ...cohereParts(step, config),
      attention: () =>
        config.normedHeads ? { headNorm: (x, name) => normHeads(step, x, name, config.eps) } : {},
    }),
  facts: decoderFacts,
});

function readConfig(reader: ConfigReader): Cohere1Config {
  const read = readCohere(reader, 'cohere', 500000);
  // Published files declare 8192 positions beside the length that the model was trained for.
  const positions = { min: 1, max: limits.positions, fallback: read.contextLength };
  const stored = reader.tensorRows('blk.0.attn_q_norm.weight') !== undefined;
  return {
    ...read,
    contextLength: reader.integer({ hf: 'model_max_length' }, positions),
    normedHeads: reader.format === 'gguf' ? stored : reader.flag({ hf: 'use_qk_norm' }, false),
  };
}

/** Each head of x [T, H, D] by weights of its own. */
function normHeads(step: Step, x: Value, name: string, eps: number): Value {
  const [, heads, dim] = x.shape as [string, number, number];
  const weight = step.weight(`${name}.weight`, [heads, dim]);
  return step.g.mul(step.g.layernorm(x, null, null, { eps }), weight);
}
