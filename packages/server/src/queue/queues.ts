/** A fair queue in front of each model's engine, made when a request first names the model and gone when it rests. */

import type { Stop } from '../admission.ts';
import type { Call } from '../endpoint.ts';
import { FairQueue, type Place, type QueueLimits } from './fair-queue.ts';
import { ApiError } from '../http/api-error.ts';

/** What a request will take, as far as that shows before it runs. */
export interface Demand {
  /** Sequences that it runs. Default 1. */
  readonly sequences?: number;
  /** Tokens of an answer at most, each. */
  readonly maxTokens?: number | null | undefined;
}

/** Tokens that an answer is taken to have where the request does not say. */
const ORDINARY_ANSWER = 256;
export const BYTES_PER_TOKEN = 4;
/** Of all who come without a key. */
const NOBODY = '';

export class Queues {
  readonly #limits: QueueLimits;
  readonly #queues = new Map<string, FairQueue>();

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  /** Requests waiting, by model. */
  waiting(): ReadonlyMap<string, number> {
    return new Map([...this.#queues].map(([model, queue]) => [model, queue.waiting]));
  }

  /** How long one more request to the model would wait. */
  load(model: string): {
    readonly waiting: number;
    readonly expectedWaitMs: number;
    readonly retryAfterSeconds: number;
  } {
    const queue = this.#queues.get(model);
    if (!queue) return { waiting: 0, expectedWaitMs: 0, retryAfterSeconds: 1 };
    const { waiting, expectedWaitMs, retryAfterSeconds } = queue;
    return { waiting, expectedWaitMs, retryAfterSeconds };
  }

  /**
   * Waits until the model's engine has room for the request.
   * @throws ApiError 429 when too many wait, or the wait would outlast the deadline; the signal's reason
   */
  async enter(
    call: Call<unknown>,
    model: string,
    demand: Demand,
    { signal, deadlineMs }: Stop,
  ): Promise<Place> {
    const queue = this.#queues.get(model) ?? new FairQueue(this.#limits);
    this.#queues.set(model, queue);
    if (deadlineMs !== undefined && queue.waiting > 0 && queue.expectedWaitMs > deadlineMs) {
      throw tooLate(queue, deadlineMs);
    }
    const { sequences = 1, maxTokens } = demand;
    const answer = Math.min(maxTokens ?? ORDINARY_ANSWER, 4 * ORDINARY_ANSWER);
    const prompt = Math.ceil(bodyBytes(call.request) / BYTES_PER_TOKEN);
    try {
      const place = await queue.enter(
        {
          key: call.caller.keyId ?? NOBODY,
          priority: call.priority ?? 'interactive',
          cost: prompt + sequences * answer,
          places: sequences,
        },
        signal,
      );
      return {
        done: (tokens) => {
          place.done(tokens);
          this.#drop(model, queue);
        },
      };
    } catch (error) {
      this.#drop(model, queue);
      throw error;
    }
  }

  #drop(model: string, queue: FairQueue): void {
    if (queue.waiting === 0 && queue.running === 0 && this.#queues.get(model) === queue)
      this.#queues.delete(model);
  }
}

/** As the client declared them; what comes in chunks is not known. */
export function bodyBytes(request: Request): number {
  const declared = Number(request.headers.get('content-length') ?? 0);
  return Number.isSafeInteger(declared) && declared > 0 ? declared : 0;
}

function tooLate(queue: FairQueue, deadlineMs: number): ApiError {
  return new ApiError(
    429,
    `The wait for this model is about ${Math.ceil(queue.expectedWaitMs)} ms, longer than the ${Math.floor(deadlineMs)} ms ` +
      'that this request may take. Try again later, or allow more time.',
    { code: 'deadline_too_short', headers: { 'retry-after': String(queue.retryAfterSeconds) } },
  );
}
