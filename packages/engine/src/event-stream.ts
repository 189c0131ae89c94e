/**
 * Events of one request on their way to its reader. Buffered, so that a slow reader holds nobody up; a reader that
 * leaves ends the request in the same turn, even while it waits for an event, which an async generator cannot.
 */

import type { GenerateEvent } from './types.ts';

export interface EventSink {
  /** After a `finish` event nothing may follow. */
  emit(event: GenerateEvent): void;
  /** Ends the stream: the reader gets what was emitted before, then the error. */
  fail(error: unknown): void;
}

type Result = IteratorResult<GenerateEvent, undefined>;

interface Reader {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** Starts the work and returns what ends it when the reader leaves. */
export type Start = (sink: EventSink) => () => void;

const END: Result = { done: true, value: undefined };

export class EventStream implements AsyncIterableIterator<GenerateEvent, undefined>, EventSink {
  #start: Start | undefined;
  #leave: (() => void) | undefined;
  readonly #events: GenerateEvent[] = [];
  readonly #readers: Reader[] = [];
  #failure: { readonly error: unknown } | undefined;
  #ended = false;

  /** @param start runs at the first `next()`, which rejects with what it throws */
  constructor(start: Start) {
    this.#start = start;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result> {
    const start = this.#start;
    this.#start = undefined;
    if (start) {
      try {
        this.#leave = start(this);
      } catch (error) {
        this.#ended = true;
        return Promise.reject(asError(error));
      }
    }
    const event = this.#events.length > 0 ? this.#events.shift() : undefined;
    if (event) return Promise.resolve({ done: false, value: event });
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) return Promise.reject(asError(failure.error));
    if (this.#ended) return Promise.resolve(END);
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  /** The reader leaves: the request ends now, and who still waits gets the end. */
  return(): Promise<Result> {
    this.#start = undefined;
    this.#ended = true;
    this.#events.length = 0;
    this.#failure = undefined;
    this.#endReaders();
    const leave = this.#leave;
    this.#leave = undefined;
    leave?.();
    return Promise.resolve(END);
  }

  emit(event: GenerateEvent): void {
    if (this.#ended) return;
    // Mostly one reader waits.
    const reader = this.#readers.length > 1 ? this.#readers.shift() : this.#readers.pop();
    if (reader) reader.resolve({ done: false, value: event });
    else this.#events.push(event);
    if (event.type !== 'finish') return;
    this.#ended = true;
    this.#endReaders();
  }

  fail(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    const reader = this.#readers.shift();
    if (reader) reader.reject(error);
    else this.#failure = { error };
    this.#endReaders();
  }

  #endReaders(): void {
    for (const { resolve } of this.#readers.splice(0)) resolve(END);
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
