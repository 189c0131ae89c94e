/** How much fits: pages, context and batch from a budget in bytes. What does not fit is refused with numbers. */

import { CapacityError } from '@steelyard/core';
import { byteLength, type DType } from '@steelyard/graph';
import type { LoadedModel } from '@steelyard/models';

export interface MemoryBudget {
  /** Bytes for weights, KV cache and temporaries together; absent: as much as `defaultTokens` need. */
  readonly memoryBytes?: number;
  /** Longest sequence wanted, tokens; default the model's own. */
  readonly contextLength?: number;
  readonly pageSize: number;
  readonly kvDType: DType;
  readonly maxBatchTokens: number;
  readonly maxSequences: number;
}

export interface MemoryPlan {
  readonly pages: number;
  /** Longest sequence that fits, tokens. */
  readonly contextLength: number;
  readonly kvBytesPerToken: number;
  readonly kvBytes: number;
}

/** Tokens of cache where no budget is given: one full context, but no more than this many. */
const DEFAULT_CACHE_TOKENS = 16_384;

const MIB = 1024 * 1024;

/** An upper bound of logits, hidden states and scratch of one step. */
function temporaryBytes(model: LoadedModel, budget: MemoryBudget): number {
  const { vocabSize, hiddenSize } = model.config;
  const logits = budget.maxSequences * vocabSize * 4;
  return logits + budget.maxBatchTokens * hiddenSize * 4 * 16;
}

/** @throws CapacityError when not even one page fits beside weights and temporaries */
export function planMemory(model: LoadedModel, budget: MemoryBudget): MemoryPlan {
  const kvBytesPerToken = model.kv.states.reduce(
    (sum, s) => sum + byteLength(budget.kvDType, s.heads * s.dim),
    0,
  );
  const wanted = Math.min(budget.contextLength ?? model.config.contextLength, model.config.contextLength);
  const pageBytes = kvBytesPerToken * budget.pageSize;
  const fixed = model.weightBytes + temporaryBytes(model, budget);
  const wantedPages = Math.ceil(wanted / budget.pageSize);
  let pages = Math.min(
    Math.max(wantedPages, Math.ceil(DEFAULT_CACHE_TOKENS / budget.pageSize)),
    Math.max(wantedPages, budget.maxSequences * wantedPages),
  );
  if (budget.contextLength === undefined)
    pages = Math.min(pages, Math.ceil(DEFAULT_CACHE_TOKENS / budget.pageSize));
  if (budget.memoryBytes !== undefined) {
    const fitting = Math.floor((budget.memoryBytes - fixed) / Math.max(1, pageBytes));
    if (fitting < 1 || (budget.contextLength !== undefined && fitting < wantedPages)) {
      throw new CapacityError(
        `${Math.ceil(budget.memoryBytes / MIB)} MiB do not hold this model: weights ${Math.ceil(model.weightBytes / MIB)} MiB, ` +
          `temporaries ${Math.ceil((fixed - model.weightBytes) / MIB)} MiB, KV cache ${Math.ceil((wantedPages * pageBytes) / MIB)} MiB ` +
          `for ${wanted} tokens (${kvBytesPerToken} bytes each); give more memory or a smaller contextLength`,
      );
    }
    pages = Math.min(pages, fitting);
  }
  return {
    pages,
    contextLength: Math.min(wanted, pages * budget.pageSize),
    kvBytesPerToken,
    kvBytes: pages * pageBytes,
  };
}
