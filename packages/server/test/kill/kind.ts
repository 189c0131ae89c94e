/** A kind of object that is written while the server may be killed. */

import type { Api } from './api.ts';

export interface Kind {
  readonly name: string;
  /** Writes acknowledged so far. */
  readonly acknowledged: () => number;
  /** Writes something; called again and again. @throws Killed */
  write(api: Api, random: Random): Promise<void>;
  /** Compares what the server has with what it acknowledged. */
  check(api: Api): Promise<void>;
  /** Takes older objects away, so that each round checks about as much as the first. */
  clear(api: Api): Promise<void>;
  /** Waits for what goes on in the background, when nothing is killed any more, and compares again. */
  end?(api: Api): Promise<void>;
}

/** A whole number from 0 to below `n`, in a fixed order for each seed, so that a failure can be run again. */
export type Random = (n: number) => number;

export function randomFrom(seed: number): Random {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}
