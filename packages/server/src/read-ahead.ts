/**
 * Takes a stream's events as they come and keeps them for its reader, so that a slow reader holds nothing but its own
 * answer: whoever waits for the engine learns at once that the stream has ended. What is kept is bounded; a reader who is
 * further behind holds the stream up.
 */

export interface ReadAheadOptions<T> {
  readonly sizeOf: (event: T) => number;
  /** Sizes together that are kept; one event more is taken. */
  readonly limit: number;
  /** Told once, when the source has ended, failed or been left; with its last event, if it had any. */
  readonly onEnd: (last: T | undefined) => void;
}

export class ReadAhead<T> implements AsyncIterableIterator<T, undefined> {
  readonly #source: AsyncIterator<T, unknown>;
  readonly #options: ReadAheadOptions<T>;
  readonly #events: T[] = [];
  #size = 0;
  /** Waits for an event. */
  #reader: (() => void) | undefined;
  /** Waits for room. */
  #writer: (() => void) | undefined;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(source: AsyncIterable<T>, options: ReadAheadOptions<T>) {
    this.#source = source[Symbol.asyncIterator]();
    this.#options = options;
    void this.#read();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    while (this.#events.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => (this.#reader = resolve));
    }
    const event = this.#events.shift();
    if (event !== undefined) {
      this.#size -= this.#options.sizeOf(event);
      this.#writer?.();
      return { done: false, value: event };
    }
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure.error;
    return { done: true, value: undefined };
  }

  /** The reader leaves. */
  async return(): Promise<IteratorResult<T, undefined>> {
    this.#events.length = 0;
    this.#end();
    this.#failure = undefined;
    await this.#source.return?.();
    return { done: true, value: undefined };
  }

  async #read(): Promise<void> {
    const { sizeOf, limit, onEnd } = this.#options;
    let last: T | undefined;
    try {
      for (let next = await this.#source.next(); !next.done; next = await this.#source.next()) {
        last = next.value;
        if (this.#ended) continue;
        this.#events.push(last);
        this.#size += sizeOf(last);
        this.#reader?.();
        while (this.#size > limit && !this.#ended)
          await new Promise<void>((resolve) => (this.#writer = resolve));
      }
    } catch (error) {
      if (!this.#ended) this.#failure = { error };
    } finally {
      this.#end();
      onEnd(last);
    }
  }

  #end(): void {
    this.#ended = true;
    this.#reader?.();
    this.#writer?.();
  }
}
