/** What can be said of a model without running it: formats, memory, template, licence. */

import { byteLength, optimise, planMemory, type DType, type TensorData } from '@steelyard/graph';
import type { ModelFile } from '@steelyard/formats';
import { recurrentBytes, type LoadedModel } from '@steelyard/models';
import { stepBindings } from './explain/costs.ts';
import type { Inspection } from './services.ts';

/** Tokens of a prompt computed in one step, for estimates. */
export const PREFILL_TOKENS = 512;

export interface DTypeShare {
  readonly dtype: DType;
  readonly tensors: number;
  readonly bytes: number;
}

export interface MemoryEstimate {
  readonly weights: number;
  /** Keys and values of one token. */
  readonly cachePerToken: number;
  /** Keys and values at the model's full context. */
  readonly cache: number;
  /** Recurrent states of one sequence; 0 for models whose only memory is the cache. */
  readonly states: number;
  /** Activations of a step of PREFILL_TOKENS tokens. */
  readonly temporaries: number;
}

/** Storage formats of the weights, largest share first. */
export function dtypeShares(weights: ReadonlyMap<string, TensorData>): DTypeShare[] {
  const shares = new Map<DType, { tensors: number; bytes: number }>();
  for (const { dtype, byteLength: bytes } of weights.values()) {
    const share = shares.get(dtype) ?? { tensors: 0, bytes: 0 };
    shares.set(dtype, { tensors: share.tensors + 1, bytes: share.bytes + bytes });
  }
  return [...shares].map(([dtype, share]) => ({ dtype, ...share })).sort((a, b) => b.bytes - a.bytes);
}

export function estimateMemory({ model, pageSize }: Inspection): MemoryEstimate {
  const { contextLength } = model.config;
  const cachePerToken = cacheBytesPerToken(model);
  const prompt = Math.min(PREFILL_TOKENS, contextLength);
  const plan = planMemory(optimise(model.graph), stepBindings(prompt, contextLength, pageSize));
  return {
    weights: model.weightBytes,
    cachePerToken,
    cache: cachePerToken * contextLength,
    states: recurrentBytes(model),
    temporaries: plan.arenaBytes,
  };
}

function cacheBytesPerToken(model: LoadedModel): number {
  const dtypes = new Map(
    model.graph.sources.filter((v) => v.storage === 'state').map((v) => [v.name, v.dtype]),
  );
  return model.kv.states.reduce(
    (sum, { name, heads, dim }) => sum + byteLength(dtypes.get(name) ?? 'f16', heads * dim),
    0,
  );
}

export function hasChatTemplate(file: ModelFile): boolean {
  if (file.format === 'gguf') return typeof file.metadata.get('tokenizer.chat_template') === 'string';
  return file.chatTemplate !== undefined || file.tokenizerConfig?.['chat_template'] !== undefined;
}

/** What the file itself says; hubs may know more. */
export function licenceOf(file: ModelFile): string | undefined {
  const value =
    file.format === 'gguf'
      ? (file.metadata.get('general.license') ?? file.metadata.get('general.license.name'))
      : file.config['license'];
  return typeof value === 'string' ? value : undefined;
}
