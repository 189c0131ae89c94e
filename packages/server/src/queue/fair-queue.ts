/**
 * Who comes next in front of one engine. Places go to the caller (a key) whose weighted share of tokens is the smallest,
 * as start-time fair queueing has it; batches take what interactive requests leave, and a turn now and then so that they
 * never starve. What waits is bounded: beyond it a request is refused before it takes memory.
 *
 * @see Goyal, Vin and Cheng 1996, "Start-time Fair Queuing"
 */

import { ApiError } from '../http/api-error.ts';

export type Priority = 'interactive' | 'batch';

export interface QueueLimits {
  /** Sequences that run at once; more wait. */
  readonly places: number;
  /** Requests that wait at most. */
  readonly maxWaiting: number;
}

/** A request that asks for places. */
export interface Ask {
  /** Whom it counts for. */
  readonly key: string;
  /** Share of the key beside others'. Default 1. */
  readonly weight?: number;
  readonly priority?: Priority;
  /** Tokens that it will take, estimated. */
  readonly cost: number;
  /** Sequences that it runs. */
  readonly places: number;
}

export interface Place {
  /** Gives the places back; harmless when repeated. @param tokens that it took, where known */
  done(this: void, tokens?: number): void;
}

interface Waiter {
  readonly ask: Ask;
  readonly grant: (place: Place) => void;
}

/** The requests of one key and priority. */
interface Line {
  readonly waiting: Waiter[];
  running: number;
  /** Tokens charged by weight: where the line stands in the order. */
  charged: number;
}

/** While interactive requests wait, one in so many turns goes to a batch. */
const BATCH_TURN = 8;
/** Share of the places that batches take at most, so that who comes to talk finds one free. */
const BATCH_SHARE = 0.75;
const FIRST_GUESS_MS = 1000;
const LONGEST_RETRY_SECONDS = 60;

export class FairQueue {
  readonly #limits: QueueLimits;
  readonly #lines: Readonly<Record<Priority, Map<string, Line>>> = {
    interactive: new Map(),
    batch: new Map(),
  };
  #free: number;
  #batchPlaces = 0;
  #waiting = 0;
  /** What the line served last was charged before: newcomers start here, without credit for their absence. */
  #clock = 0;
  #sinceBatch = 0;
  /** Milliseconds that a request holds its place, on average of late. */
  #serviceMs = FIRST_GUESS_MS;

  constructor(limits: QueueLimits) {
    this.#limits = limits;
    this.#free = limits.places;
  }

  get waiting(): number {
    return this.#waiting;
  }

  get running(): number {
    return this.#limits.places - this.#free;
  }

  /** Seconds after which a request that is refused now may be taken. */
  get retryAfterSeconds(): number {
    const seconds = ((this.#waiting + 1) * this.#serviceMs) / this.#limits.places / 1000;
    return Math.min(LONGEST_RETRY_SECONDS, Math.max(1, Math.ceil(seconds)));
  }

  /** Milliseconds that a newcomer will wait, about. */
  get expectedWaitMs(): number {
    if (this.#waiting === 0 && this.#free > 0) return 0;
    return ((this.#waiting + 1) * this.#serviceMs) / this.#limits.places;
  }

  /**
   * Waits for places.
   * @throws ApiError 429 when too many wait; the signal's reason when it aborts first
   */
  async enter(ask: Ask, signal?: AbortSignal): Promise<Place> {
    signal?.throwIfAborted();
    if (this.#waiting >= this.#limits.maxWaiting) throw this.#overloaded();
    const line = this.#lineOf(ask);
    let abort: (() => void) | undefined;
    try {
      return await new Promise<Place>((grant, reject) => {
        const waiter = { ask, grant };
        if (line.waiting.length === 0 && line.running === 0)
          line.charged = Math.max(line.charged, this.#clock);
        line.waiting.push(waiter);
        this.#waiting++;
        abort = () => {
          this.#remove(line, waiter);
          reject(signal?.reason as Error);
        };
        signal?.addEventListener('abort', abort, { once: true });
        this.#dispatch();
      });
    } finally {
      if (abort) signal?.removeEventListener('abort', abort);
    }
  }

  #overloaded(): ApiError {
    const seconds = this.retryAfterSeconds;
    return new ApiError(
      429,
      `${this.#waiting} requests wait for this model, the most that this server lets wait. Try again in about ${seconds} s.`,
      { code: 'queue_full', headers: { 'retry-after': String(seconds) } },
    );
  }

  #lineOf({ key, priority = 'interactive' }: Ask): Line {
    const lines = this.#lines[priority];
    const line = lines.get(key) ?? { waiting: [], running: 0, charged: 0 };
    lines.set(key, line);
    return line;
  }

  #remove(line: Line, waiter: Waiter): void {
    const at = line.waiting.indexOf(waiter);
    if (at < 0) return;
    line.waiting.splice(at, 1);
    this.#waiting--;
    this.#rest();
    // A wide request at the head may have held others up.
    this.#dispatch();
  }

  /** Grants places while the one whose turn it is fits. */
  #dispatch(): void {
    for (let line = this.#next(); line; line = this.#next()) {
      const { ask, grant } = line.waiting[0]!;
      const places = this.#placesOf(ask);
      if (places > this.#free) return;
      line.waiting.shift();
      this.#waiting--;
      grant(this.#take(line, ask, places));
    }
  }

  #placesOf({ places }: Ask): number {
    return Math.min(places, this.#limits.places);
  }

  /** The line whose turn it is; undefined when nobody waits who may go. */
  #next(): Line | undefined {
    const interactive = leastCharged(this.#lines.interactive);
    const batch = leastCharged(this.#lines.batch);
    if (!batch) return interactive;
    const most = Math.max(1, Math.floor(this.#limits.places * BATCH_SHARE));
    const wanted = this.#placesOf(batch.waiting[0]!.ask);
    const fits = this.#batchPlaces === 0 || this.#batchPlaces + wanted <= most;
    if (!interactive) return fits ? batch : undefined;
    return fits && this.#sinceBatch >= BATCH_TURN - 1 ? batch : interactive;
  }

  #take(line: Line, ask: Ask, places: number): Place {
    const isBatch = ask.priority === 'batch';
    const { weight = 1, cost } = ask;
    this.#clock = line.charged;
    line.charged += cost / weight;
    line.running++;
    this.#free -= places;
    if (isBatch) this.#batchPlaces += places;
    this.#sinceBatch = isBatch ? 0 : this.#sinceBatch + 1;
    const started = performance.now();
    let ended = false;
    return {
      done: (tokens = cost) => {
        if (ended) return;
        ended = true;
        line.charged += (tokens - cost) / weight;
        line.running--;
        this.#free += places;
        if (isBatch) this.#batchPlaces -= places;
        this.#serviceMs += 0.1 * (performance.now() - started - this.#serviceMs);
        this.#rest();
        this.#dispatch();
      },
    };
  }

  /** When nothing is left to be fair about, what was charged is forgotten. */
  #rest(): void {
    if (this.#waiting > 0 || this.#free < this.#limits.places) return;
    for (const lines of Object.values(this.#lines)) lines.clear();
    this.#clock = 0;
  }
}

function leastCharged(lines: ReadonlyMap<string, Line>): Line | undefined {
  let least: Line | undefined;
  for (const line of lines.values()) {
    if (line.waiting.length > 0 && (!least || line.charged < least.charged)) least = line;
  }
  return least;
}
