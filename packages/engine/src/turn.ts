/** Leaves the event loop its turns during long stretches of work in JavaScript. */

/** Milliseconds of work after which timers and sockets get a turn. */
const WORK_MS = 5;

/** Resolves after timers and sockets that are due have run. */
export function nextTurn(): Promise<void> {
  // Browsers have no setImmediate; their timers are at most a few milliseconds late.
  const soon = globalThis.setImmediate as typeof setImmediate | undefined;
  return new Promise((resolve) => {
    if (soon) soon(resolve);
    else setTimeout(resolve, 0);
  });
}

export class Turns {
  #since = performance.now();

  /** They have just had a turn. */
  had(): void {
    this.#since = performance.now();
  }

  /** Call between pieces of work, and wait for what it returns if it does. */
  pause(): Promise<void> | undefined {
    return performance.now() - this.#since < WORK_MS ? undefined : this.#leave();
  }

  async #leave(): Promise<void> {
    await nextTurn();
    this.had();
  }
}
