/** The states that a model's step graph wants of a backend: the paged cache, and slots of recurrent states. */

import type { DType } from '@steelyard/graph';
import type { LoadedModel } from './model.ts';

export interface StateSizes {
  /** Pages in the cache, the symbol N. */
  readonly pages: number;
  /** Tokens per page, as the model was loaded with. */
  readonly pageSize: number;
  /** Storage format of the cache, as the model was loaded with. */
  readonly kvDType: DType;
  /** Slots of recurrent states, the symbol R. */
  readonly slots: number;
}

export interface StateTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** Every state of the graph, to be allocated. */
export function stateTensors(model: LoadedModel, sizes: StateSizes): StateTensor[] {
  const { pages, pageSize, kvDType, slots } = sizes;
  const cache = model.kv.states.map(({ name, heads, dim }) => {
    return { name, dtype: kvDType, shape: [pages, heads, pageSize, dim] };
  });
  const recurrent = model.recurrent.map(({ name, rows, channels }) => {
    return { name, dtype: 'f32' as const, shape: [slots, rows, channels] };
  });
  return [...cache, ...recurrent];
}

/** Bytes of a sequence's recurrent states. */
export function recurrentBytes({ recurrent }: LoadedModel): number {
  return recurrent.reduce((sum, { rows, channels }) => sum + 4 * rows * channels, 0);
}
