/** Who asked for a batch, and under which labels of data, as is kept with it until its lines are answered. */

import type { ClaimedBatch, NewBatch } from '@steelyard/storage';
import type { Caller } from '../access/caller.ts';
import type { Call } from '../endpoint.ts';
import { dataLabels } from '../upstreams/data-labels.ts';

export interface AskedBy extends Caller {
  /** Of the request that made the batch: they hold for each of its lines. */
  readonly dataLabels?: readonly string[];
}

export function askedBy({ caller }: Pick<ClaimedBatch, 'caller'>): AskedBy {
  // Only what `toKeep` makes is ever stored with a batch.
  return caller as unknown as AskedBy;
}

export function toKeep(call: Call<unknown>): NewBatch['caller'] {
  return { ...call.caller, dataLabels: dataLabels(call) };
}
