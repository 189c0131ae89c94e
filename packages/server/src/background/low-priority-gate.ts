/**
 * When work in the background may start that takes a model's time: lines of batches, texts for vector stores. Few at a
 * time, and after those who wait for their answers; while somebody waits, some still starts now and then.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Lifecycle } from '../lifecycle.ts';

/** Pieces of work at once. */
const MAX_RUNNING = 8;
/** Milliseconds between two looks whether somebody waits. */
const LOOK_MS = 50;
/** Milliseconds after which a piece starts whoever waits. */
const PATIENCE_MS = 5_000;

export class LowPriorityGate {
  readonly #lifecycle: Lifecycle;
  #running = 0;
  #lastStart = 0;

  constructor(lifecycle: Lifecycle) {
    this.#lifecycle = lifecycle;
  }

  /** @returns what to call when the piece is done, which takes its place among the server's requests itself; undefined when the signal aborted first */
  async enter(signal: AbortSignal): Promise<(() => void) | undefined> {
    const since = Date.now();
    while (!signal.aborted) {
      const isPatienceOver = Date.now() - Math.max(since, this.#lastStart) > PATIENCE_MS;
      if (this.#running < MAX_RUNNING && (!this.#somebodyWaits() || isPatienceOver)) {
        this.#running++;
        this.#lastStart = Date.now();
        return () => void this.#running--;
      }
      await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
    }
    return undefined;
  }

  /** What runs here is counted by the server like everybody's requests. */
  #somebodyWaits(): boolean {
    return this.#lifecycle.active > this.#running;
  }
}
