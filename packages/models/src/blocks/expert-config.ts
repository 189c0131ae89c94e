/** Settings of layers with routed experts, under the names of both formats. */

import { FormatError } from '@steelyard/core';
import { limits, type ConfigReader } from '../config-reader.ts';

/** How experts are chosen and weighed; see the op `route`. */
export interface Routing {
  readonly score: 'none' | 'softmax' | 'sigmoid';
  readonly normalise: 'none' | 'sum' | 'softmax' | 'sigmoid';
  /** Factor on the weights. */
  readonly scale?: number;
  /** Experts lie in so many groups, of which the best `topGroups` stay. Default 1. */
  readonly groups?: number;
  readonly topGroups?: number;
  readonly groupScore?: 'best' | 'best_two';
}

export interface ExpertsConfig {
  readonly count: number;
  /** Experts per token. */
  readonly used: number;
  /** Rows of an expert's gate and up matrices. */
  readonly width: number;
}

export interface ExpertsDefaults {
  /** Width where the file does not say. */
  readonly width: number;
}

const COUNT = { hf: ['num_local_experts', 'num_experts', 'n_routed_experts'], gguf: 'expert_count' };

/** Whether the file has routed experts; dense models of the same architecture have none. */
export function hasExperts(reader: ConfigReader): boolean {
  return reader.integer(COUNT, { min: 0, max: limits.experts, fallback: 0 }) > 0;
}

/** @throws FormatError when a token is to have more experts than there are */
export function readExperts(reader: ConfigReader, defaults: ExpertsDefaults): ExpertsConfig {
  const rule = { min: 1, max: limits.experts };
  const count = reader.integer(COUNT, rule);
  const used = reader.integer(
    { hf: ['num_experts_per_tok', 'experts_per_token'], gguf: 'expert_used_count' },
    rule,
  );
  if (used > count) {
    throw new FormatError(
      `${reader.fileName}: ${used} experts per token are more than the ${count} there are`,
    );
  }
  const width = reader.integer(
    { hf: 'moe_intermediate_size', gguf: 'expert_feed_forward_length' },
    { min: 1, max: limits.width, fallback: defaults.width },
  );
  return { count, used, width };
}

/** Whether the weights of a token's experts are divided by their sum; GGUF files mostly leave it to the architecture. */
export function readSumsToOne(reader: ConfigReader, inGguf: boolean): boolean {
  const key = { hf: 'norm_topk_prob', gguf: 'expert_weights_norm' };
  return reader.flag(key, reader.format === 'gguf' && inGguf);
}

/** `8 of 128, 768 wide`; for `show`. */
export function describeExperts({ count, used, width }: ExpertsConfig): Record<string, string> {
  return { experts: `${used} of ${count} per token, ${width} wide` };
}
