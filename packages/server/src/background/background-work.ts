/** All that the server does while nobody waits, on one storage at a time: it begins when that is opened. */

import type { Storage } from '@steelyard/storage';
import type { Lifecycle } from '../lifecycle.ts';

/** Something that goes on until stopped. */
export interface Worker {
  wake(): void;
  stop(): Promise<void>;
}

export class BackgroundWork<Workers extends Readonly<Record<string, Worker>>> {
  readonly #begin: (storage: Storage) => Workers;
  #storage: Storage | undefined;
  #workers: Workers | undefined;
  #stopped = false;

  /** @param begin starts everything that goes on */
  constructor(lifecycle: Lifecycle, begin: (storage: Storage) => Workers) {
    this.#begin = begin;
    lifecycle.onDrain(() => {
      this.#stopped = true;
      return this.#stop();
    });
  }

  /** What goes on; absent before the storage is opened, and when the server closes. */
  get workers(): Workers | undefined {
    return this.#workers;
  }

  /** Goes on with what is not done. Harmless when called again. */
  resume(storage: Storage): void {
    if (this.#storage === storage || this.#stopped) return;
    void this.#stop();
    this.#storage = storage;
    this.#workers = this.#begin(storage);
  }

  async #stop(): Promise<void> {
    const workers = Object.values(this.#workers ?? {});
    this.#workers = undefined;
    await Promise.all(workers.map((worker) => worker.stop()));
  }
}
