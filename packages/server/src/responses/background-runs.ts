/** Responses that are computed without anybody waiting, and what they said so far for those who come to listen. */

import type { ResponseEvent } from '../schemas/response-events.ts';

/** Ended runs whose events are kept for listeners who lost their connection shortly before. */
const MAX_ENDED = 32;

export class BackgroundRun {
  readonly #abort = new AbortController();
  readonly #events: ResponseEvent[] = [];
  readonly #wake: (() => void)[] = [];
  #ended = false;

  /** Aborts when the run is no longer wanted. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  cancel(): void {
    this.#abort.abort();
  }

  push(events: readonly ResponseEvent[]): void {
    this.#events.push(...events);
    this.#wakeAll();
  }

  end(): void {
    this.#ended = true;
    this.#wakeAll();
  }

  /** Resolves when it has ended, or after `ms`. */
  async ended(ms: number): Promise<void> {
    const late = AbortSignal.timeout(ms);
    late.addEventListener('abort', () => this.#wakeAll(), { once: true });
    while (!this.#ended && !late.aborted) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  /** Everything said and to be said, until the run ends or the listener's signal aborts. @param after number of the last event known */
  async *listen(after: number, signal: AbortSignal): AsyncGenerator<ResponseEvent> {
    const wake = () => this.#wakeAll();
    signal.addEventListener('abort', wake, { once: true });
    try {
      for (let next = Math.max(0, after + 1); !signal.aborted; next++) {
        while (next >= this.#events.length && !this.#ended && !signal.aborted) {
          await new Promise<void>((resolve) => this.#wake.push(resolve));
        }
        const event = this.#events[next];
        if (!event || signal.aborted) return;
        yield event;
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

export class BackgroundRuns {
  readonly #runs = new Map<string, BackgroundRun>();
  readonly #ended: string[] = [];

  begin(id: string): BackgroundRun {
    const run = new BackgroundRun();
    this.#runs.set(id, run);
    return run;
  }

  /** Absent when another server computes it, or it ended long ago. */
  get(id: string): BackgroundRun | undefined {
    return this.#runs.get(id);
  }

  end(id: string): void {
    this.#runs.get(id)?.end();
    this.#ended.push(id);
    if (this.#ended.length > MAX_ENDED) this.#runs.delete(this.#ended.shift()!);
  }

  /** Stops it, and forgets what it said. */
  drop(id: string): void {
    this.#runs.get(id)?.cancel();
    this.#runs.delete(id);
  }
}
