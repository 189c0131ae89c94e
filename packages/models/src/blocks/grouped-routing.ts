/** How DeepSeek's families choose experts: by softmax or sigmoid, among the best groups. */

import { FormatError, UnsupportedError } from '@steelyard/core';
import { limits, type ConfigReader } from '../config-reader.ts';
import { readSumsToOne, type Routing } from './expert-config.ts';

/** Values of GGUF's `expert_gating_func`. */
const SOFTMAX = 1;
const SIGMOID = 2;

/**
 * V2's softmax takes the best groups by their best expert, V3's sigmoid by their best two.
 * @throws UnsupportedError for a way of choosing that is not implemented
 */
export function readGroupedRouting(reader: ConfigReader): Routing {
  const sigmoid = readsSigmoid(reader);
  const count = { min: 1, max: limits.experts, fallback: 1 };
  const limited = { hf: 'n_group', gguf: 'expert_group_count' };
  const kept = { hf: 'topk_group', gguf: 'expert_group_used_count' };
  const method = sigmoid ? 'noaux_tc' : 'greedy';
  const methods = sigmoid ? (['noaux_tc'] as const) : (['greedy', 'group_limited_greedy'] as const);
  const grouped = reader.choice({ hf: 'topk_method' }, methods, method);
  const [groups, topGroups] = [reader.integer(limited, count), reader.integer(kept, count)];
  if (topGroups > groups) {
    throw new FormatError(`${reader.fileName}: ${topGroups} groups of experts are kept of ${groups}`);
  }
  const sums = readSumsToOne(reader, false);
  if (reader.format === 'safetensors' && !sigmoid && sums) {
    throw new UnsupportedError(
      `${reader.fileName}: norm_topk_prob is true, which this architecture's references treat differently with softmax; expected false`,
    );
  }
  const free = reader.format === 'safetensors' && grouped === 'greedy';
  // Losses of training; and experts in every layer, which is all that there is.
  reader.ignore({ hf: 'aux_loss_alpha' }, { hf: 'seq_aux' }, { hf: 'ep_size' });
  if (reader.integer({ hf: 'moe_layer_freq' }, { min: 1, max: limits.layers, fallback: 1 }) !== 1) {
    throw new UnsupportedError(`${reader.fileName}: moe_layer_freq is not 1, the only one supported`);
  }
  return {
    score: sigmoid ? 'sigmoid' : 'softmax',
    normalise: sums ? 'sum' : 'none',
    scale: reader.number(
      { hf: 'routed_scaling_factor', gguf: 'expert_weights_scale' },
      { min: 0, max: 1e4, fallback: 1 },
    ),
    groups: free ? 1 : groups,
    topGroups: free ? 1 : topGroups,
    groupScore: sigmoid ? 'best_two' : 'best',
  };
}

/** By the file, or where it does not say by which model it is. */
function readsSigmoid(reader: ConfigReader): boolean {
  if (reader.format === 'safetensors') {
    const fallback = reader.declared === 'deepseek_v3' ? 'sigmoid' : 'softmax';
    return reader.choice({ hf: 'scoring_func' }, ['softmax', 'sigmoid'], fallback) === 'sigmoid';
  }
  const key = { gguf: 'expert_gating_func' };
  const kind = reader.integer(key, { min: 0, max: 255, fallback: SOFTMAX });
  if (kind === 0 || kind === SOFTMAX) return false;
  if (kind === SIGMOID) return true;
  throw new UnsupportedError(`${reader.fileName}: ${key.gguf} is ${kind}; supported are 1 and 2`);
}
