/** How much fits: pages, context and batch from a budget in bytes. What does not fit is refused with numbers. */

import { CapacityError, RequestError } from '@steelyard/core';
import {
  byteLength,
  dtypeInfo,
  planMemory as planTemporaries,
  weightBytes,
  type DType,
} from '@steelyard/graph';
import { recurrentBytes, type LoadedModel } from '@steelyard/models';

export interface MemoryBudget {
  /** Bytes for weights, KV cache and temporaries together; the cache takes what the others leave. */
  readonly memoryBytes?: number;
  /** Bytes that the machine can spare; a cache of ordinary size is made smaller where it would need more. */
  readonly availableBytes?: number;
  /** Experts need not fit: they stay in the file and come to memory as tokens choose them, which is slower. */
  readonly expertsOnDisk?: boolean;
  /** Longest sequence wanted, tokens; default the model's own, which it cannot exceed. */
  readonly contextLength?: number;
  /** Tokens per page. */
  readonly pageSize: number;
  readonly kvDType: DType;
  /** Tokens per step. */
  readonly maxBatchTokens: number;
  /** Sequences that run at once. */
  readonly maxSequences: number;
  /** Rows of results per step; default one per sequence, and some for a prompt's log-probabilities. */
  readonly maxRows?: number;
  /** Tokens of cache that are of use; default every sequence at its longest. */
  readonly cacheTokens?: number;
}

/** Largest values of a step's symbols. */
export interface StepLimits {
  readonly T: number;
  readonly S: number;
  readonly P: number;
  readonly V: number;
  readonly N: number;
  readonly R: number;
}

export interface MemoryPlan {
  /** Pages in the cache. */
  readonly pages: number;
  /** Longest sequence that fits, tokens. */
  readonly contextLength: number;
  readonly kvBytesPerToken: number;
  readonly kvBytes: number;
  /** Slots of recurrent states, one for each sequence that may run. */
  readonly recurrentBytes: number;
  /** An estimate of one step's intermediate values, from the graph before the backend's passes. */
  readonly temporaryBytes: number;
  /** Weights that are held, cache, recurrent states and temporaries. */
  readonly totalBytes: number;
  readonly limits: StepLimits;
}

/** Tokens of cache where no budget is given: a context, or what some short conversations need, but no more. */
const ORDINARY_CACHE_TOKENS = 16_384;
/** A model that cannot hold this many tokens (or its own context, where that is less) is not worth loading. */
const LEAST_CONTEXT = 256;
/** Rows of logits per step, at least, so that a prompt's log-probabilities come many at a time. */
const LEAST_ROWS = 16;

/** @throws CapacityError when the least does not fit; RequestError for numbers that make no sense */
export function planMemory(model: LoadedModel, budget: MemoryBudget): MemoryPlan {
  const { pageSize, kvDType } = budget;
  checkBudget(budget);
  const states = model.kv.states.map(({ heads, dim }) => byteLength(kvDType, heads * dim));
  const kvBytesPerToken = states.reduce((sum, bytes) => sum + bytes, 0);
  const wanted = Math.min(budget.contextLength ?? Infinity, model.config.contextLength);
  const wantedPages = Math.ceil(wanted / pageSize);
  const least = budget.contextLength === undefined ? Math.min(wanted, LEAST_CONTEXT) : wanted;
  const temporaryBytes = estimateTemporaries(model, budget, wantedPages);
  const limit = budget.memoryBytes ?? budget.availableBytes ?? Infinity;
  const { experts } = weightBytes(model.graph);
  const held = model.weightBytes - (budget.expertsOnDisk ? experts : 0);
  const recurrent = recurrentBytes(model) * budget.maxSequences;
  const fitting = Math.floor(
    (limit - held - recurrent - temporaryBytes) / Math.max(1, kvBytesPerToken * pageSize),
  );
  if (fitting < Math.ceil(least / pageSize)) {
    const ofExperts = experts > 0 ? ` (${mib(experts)} of it experts)` : '';
    const onDisk = experts > 0 && !budget.expertsOnDisk;
    throw new CapacityError(
      `${mib(limit)} ${budget.memoryBytes === undefined ? 'that this machine can spare' : 'of memory'} do not hold ` +
        `${model.config.architecture}: weights ${mib(model.weightBytes)}${ofExperts}, temporaries ${mib(temporaryBytes)}, ` +
        `KV cache ${mib(least * kvBytesPerToken)} for ${least} tokens (${kvBytesPerToken} bytes each)` +
        `${recurrent > 0 ? `, recurrent states ${mib(recurrent)} for ${budget.maxSequences} sequences` : ''}; ` +
        `give more memory, ${onDisk ? 'leave experts on disk (slower: expertsOnDisk, --experts-on-disk), ' : ''}` +
        `${fitsBlocks(model) && kvDType !== 'q8_0' ? 'keep the cache in 8 bits (kvDType, --kv-cache-dtype q8_0), ' : ''}` +
        `${budget.contextLength === undefined ? 'fewer sequences' : 'a shorter context'} or a smaller model`,
    );
  }
  const pages = Math.min(fitting, pagesWanted(budget, wantedPages));
  const contextLength = Math.min(wanted, pages * pageSize);
  const kvBytes = pages * pageSize * kvBytesPerToken;
  return {
    pages,
    contextLength,
    kvBytesPerToken,
    kvBytes,
    recurrentBytes: recurrent,
    temporaryBytes,
    totalBytes: held + kvBytes + recurrent + temporaryBytes,
    limits: limitsOf(budget, Math.ceil(contextLength / pageSize), pages),
  };
}

/** Whether the model has a cache that may be in q8_0. */
function fitsBlocks({ kv }: LoadedModel): boolean {
  const { blockSize } = dtypeInfo('q8_0');
  return kv.states.length > 0 && kv.states.every(({ dim }) => dim % blockSize === 0);
}

/** Pages that are of use: no more than every sequence at its longest. */
function pagesWanted(budget: MemoryBudget, contextPages: number): number {
  const wanted = contextPages * budget.maxSequences;
  const useful = Math.min(wanted, Math.ceil((budget.cacheTokens ?? Infinity) / budget.pageSize));
  if (budget.memoryBytes !== undefined) return useful;
  const ordinary = Math.min(useful, Math.ceil(ORDINARY_CACHE_TOKENS / budget.pageSize));
  return budget.contextLength === undefined ? ordinary : Math.max(ordinary, contextPages);
}

function limitsOf(budget: MemoryBudget, contextPages: number, pages: number): StepLimits {
  const { maxBatchTokens, maxSequences } = budget;
  const rows = budget.maxRows ?? Math.max(maxSequences, Math.min(LEAST_ROWS, maxBatchTokens));
  return { T: maxBatchTokens, S: maxSequences, P: contextPages, V: rows, N: pages, R: maxSequences };
}

/** Bytes of one step's intermediate values at the limits. Backends that fuse ops need about as much. */
function estimateTemporaries(model: LoadedModel, budget: MemoryBudget, contextPages: number): number {
  const limits = limitsOf(budget, contextPages, contextPages);
  return planTemporaries(model.graph, { ...limits }).arenaBytes;
}

function checkBudget(budget: MemoryBudget): void {
  for (const name of ['contextLength', 'pageSize', 'maxBatchTokens', 'maxSequences'] as const) {
    const value = budget[name];
    if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) continue;
    throw new RequestError(`${name} is ${value}, expected a whole number of at least 1`, name);
  }
  if (budget.maxSequences > budget.maxBatchTokens) {
    throw new RequestError(
      `maxSequences is ${budget.maxSequences}, more than the ${budget.maxBatchTokens} tokens of a step (maxBatchTokens); lower it`,
      'maxSequences',
    );
  }
}

function mib(bytes: number): string {
  return `${(bytes / 1048576).toFixed(1)} MiB`;
}
