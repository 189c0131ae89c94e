/** What a second computation of an answer has other than its receipt says, in words. */

import { canonicalJson } from '@steelyard/storage';
import type { Receipt } from './receipt.ts';

export interface Difference {
  readonly what: string;
  readonly receipt: string;
  readonly here: string;
}

/** Causes first, the answer last; empty: the answer is the same, token for token. */
export function compareReceipts(receipt: Receipt, here: Receipt): Difference[] {
  const pairs: readonly [string, unknown, unknown][] = [
    ['weights', receipt.model.weights, here.model.weights],
    ['adapter', receipt.model.adapter, here.model.adapter],
    ['chat template', receipt.model.template, here.model.template],
    ['engine version', receipt.engine.version, here.engine.version],
    ['backend', receipt.engine.backend, here.engine.backend],
    ['level of kernels', receipt.engine.level, here.engine.level],
    ['KV cache', receipt.engine.kv_cache ?? 'f16', here.engine.kv_cache ?? 'f16'],
    ['prompt', receipt.prompt, here.prompt],
    ['sampling', receipt.sampling, here.sampling],
    ['most tokens', receipt.max_tokens, here.max_tokens],
    ['stop strings', receipt.stop, here.stop],
    ['ignoring of ends', receipt.ignore_eos, here.ignore_eos],
    ['constraint', receipt.constraint, here.constraint],
    ['answer', receipt.output, here.output],
  ];
  return pairs.flatMap(([what, before, now]) => {
    const [a, b] = [canonicalJson(before), canonicalJson(now)];
    return a === b ? [] : [{ what, receipt: a, here: b }];
  });
}

/** The first place where two answers differ; undefined where the receipt holds no tokens or they are equal. */
export function firstDifference(receipt: Receipt, here: Receipt): number | undefined {
  const [a, b] = [receipt.content?.output_tokens, here.content?.output_tokens];
  if (!a || !b) return undefined;
  const at = a.findIndex((id, i) => id !== b[i]);
  return at >= 0 ? at : a.length === b.length ? undefined : Math.min(a.length, b.length);
}
