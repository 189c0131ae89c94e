/** A request inside the engine: its tokens, how many of them are in the cache, and the pages that hold them. */

import type { PagePool } from './page-pool.ts';
import { ROOT_KEY } from './page-pool.ts';

export class Sequence {
  readonly id: number;
  /** Prompt and answer so far. */
  readonly tokens: number[];
  readonly promptLength: number;
  /** Logits of every prompt token are wanted, so nothing may come from the prefix cache. */
  readonly allRows: boolean;
  /** Tokens whose keys and values are in the cache. */
  computed = 0;
  /** Prompt tokens that the prefix cache gave at first admission. */
  cachedTokens = 0;
  admittedBefore = false;
  readonly pages: number[] = [];
  readonly #pool: PagePool;
  readonly #pageSize: number;
  #published = 0;
  #key = ROOT_KEY;

  constructor(id: number, prompt: readonly number[], pool: PagePool, pageSize: number, allRows: boolean) {
    this.id = id;
    this.tokens = [...prompt];
    this.promptLength = prompt.length;
    this.allRows = allRows;
    this.#pool = pool;
    this.#pageSize = pageSize;
  }

  /** Tokens that the next step must still compute; 1 while decoding. */
  get pending(): number {
    return this.tokens.length - this.computed;
  }

  /** Pages still to allocate before `count` more tokens can be computed. */
  pagesFor(count: number): number {
    return Math.max(0, Math.ceil((this.computed + count) / this.#pageSize) - this.pages.length);
  }

  /** Takes what the prefix cache has; at least one token is left to compute, since its logits are needed. */
  adoptPrefix(): void {
    if (this.allRows) return;
    const limit = Math.floor((this.tokens.length - 1) / this.#pageSize);
    while (this.pages.length < limit) {
      const found = this.#pool.find(this.#key, this.#pageTokens(this.pages.length));
      if (!found) break;
      this.pages.push(found.page);
      this.#key = found.key;
    }
    this.#published = this.pages.length;
    this.computed = this.pages.length * this.#pageSize;
    if (!this.admittedBefore) this.cachedTokens = this.computed;
    this.admittedBefore = true;
  }

  /** Adds pages for `count` more tokens; false, and nothing held, when there are too few. */
  reserve(count: number): boolean {
    const needed = this.pagesFor(count);
    if (needed > this.#pool.availableCount) return false;
    for (let i = 0; i < needed; i++) this.pages.push(this.#pool.allocate() as number);
    return true;
  }

  /** After a step: `count` more tokens are in the cache, and pages that became full can be found by others. */
  advance(count: number): void {
    this.computed += count;
    while ((this.#published + 1) * this.#pageSize <= this.computed) {
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
