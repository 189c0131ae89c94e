/** A request's tokens, how many of them are in the cache, and the pages that hold them. */

import { ROOT_KEY, type PagePool } from './page-pool.ts';

export interface SequenceOptions {
  /** Tokens per page. */
  readonly pageSize: number;
  /** Logits of every prompt token are wanted, so nothing of the prompt may come from the prefix cache. */
  readonly scorePrompt?: boolean;
  /** Whether pages may be found by others, and others' be used. Default true. */
  readonly sharesPages?: boolean;
}

export class Sequence {
  /** Prompt and answer so far. */
  readonly tokens: number[];
  readonly promptLength: number;
  readonly pages: number[] = [];
  /** Slot of recurrent states while it runs, which the scheduler gives and takes; else -1. */
  stateSlot = -1;
  /** Tokens whose keys and values are in the cache. */
  computed = 0;
  /** Prompt tokens whose logits were wanted and have come, or need not come. */
  scored: number;
  /** Tokens that the prefix cache gave at first admission. */
  cachedTokens = 0;
  #admitted = false;
  readonly #pool: PagePool;
  readonly #pageSize: number;
  readonly #sharesPages: boolean;
  #published = 0;
  #key = ROOT_KEY;

  constructor(prompt: readonly number[], pool: PagePool, options: SequenceOptions) {
    this.tokens = [...prompt];
    this.promptLength = prompt.length;
    this.scored = options.scorePrompt ? 0 : prompt.length;
    this.#pool = pool;
    this.#pageSize = options.pageSize;
    this.#sharesPages = options.sharesPages ?? true;
  }

  /** Tokens that steps must still compute; 1 while decoding. */
  get pending(): number {
    return this.tokens.length - this.computed;
  }

  /** How many of the last of the next `count` tokens need logits. */
  rowsOf(count: number): number {
    const end = this.computed + count;
    if (this.scored < this.promptLength) return Math.max(0, end - Math.max(this.computed, this.scored));
    return end === this.tokens.length ? 1 : 0;
  }

  /** Pages still to allocate before `count` more tokens can be computed. */
  pagesFor(count: number): number {
    return Math.max(0, Math.ceil((this.computed + count) / this.#pageSize) - this.pages.length);
  }

  /** Takes what the prefix cache has; at least one token is left to compute, since its logits are needed. */
  adoptPrefix(): void {
    const limit = Math.floor((Math.max(1, this.tokens.length) - 1) / this.#pageSize);
    const may = this.#sharesPages && this.scored >= this.promptLength;
    while (may && this.pages.length < limit) {
      const found = this.#pool.find(this.#key, this.#pageTokens(this.pages.length));
      if (!found) break;
      this.pages.push(found.page);
      this.#key = found.key;
    }
    this.#published = this.pages.length;
    this.computed = this.pages.length * this.#pageSize;
  }

  /** Called when it starts to run: what the cache gave is counted once, not again after a preemption. */
  admit(): void {
    if (!this.#admitted) this.cachedTokens = this.computed;
    this.#admitted = true;
  }

  /** Adds pages for `count` more tokens; false, and nothing added, when there are too few. */
  reserve(count: number): boolean {
    const needed = this.pagesFor(count);
    if (needed > this.#pool.availableCount) return false;
    for (let i = 0; i < needed; i++) this.pages.push(this.#pool.allocate() as number);
    return true;
  }

  /** Lets others find the pages that are full once `count` more tokens are computed. */
  publish(count: number): void {
    while (this.#sharesPages && (this.#published + 1) * this.#pageSize <= this.computed + count) {
      const page = this.pages[this.#published] as number;
      this.#key = this.#pool.publish(page, this.#key, this.#pageTokens(this.#published));
      this.#published++;
    }
  }

  /** Gives all pages back, the last first, so that the start of a prefix stays findable longest. */
  release(): void {
    for (let page = this.pages.pop(); page !== undefined; page = this.pages.pop()) this.#pool.release(page);
    this.computed = 0;
    this.#published = 0;
    this.#key = ROOT_KEY;
  }

  /** Cache slot of the token at `position`. */
  slot(position: number): number {
    const page = this.pages[Math.floor(position / this.#pageSize)] as number;
    return page * this.#pageSize + (position % this.#pageSize);
  }

  #pageTokens(index: number): number[] {
    return this.tokens.slice(index * this.#pageSize, (index + 1) * this.#pageSize);
  }
}
