/**
 * Pages of the KV cache: reference counts, and full pages found again by the tokens they hold.
 * A page's label is its tokens and the key of the page before it, so equal labels mean equal prefixes; labels are
 * compared whole, so no hash can collide. Pages that nobody holds stay findable until they are needed, least
 * recently used first.
 *
 * A page is published when a step that will fill it is composed, so that sequences of the same step share it: every
 * layer writes all keys and values of a step before it attends. A step that fails takes its pages back.
 *
 * @see Kwon et al. 2023, arXiv:2309.06180, section 4.3
 */

/** Chain key of the empty prefix. */
export const ROOT_KEY = 0;

export interface Published {
  readonly page: number;
  /** What pages that follow this one chain to. */
  readonly key: number;
}

export class PagePool {
  readonly total: number;
  readonly #references: Int32Array;
  readonly #free: number[];
  readonly #published = new Map<string, Published>();
  readonly #labelOf = new Map<number, string>();
  /** Published pages without references, least recently used first. */
  readonly #idle = new Set<number>();
  /** Published, but the step that fills them has not run yet. */
  readonly #unfilled = new Set<number>();
  #nextKey = ROOT_KEY + 1;

  constructor(total: number) {
    this.total = total;
    this.#references = new Int32Array(total);
    this.#free = Array.from({ length: total }, (_, i) => total - 1 - i);
  }

  /** Pages that hold nothing. */
  get freeCount(): number {
    return this.#free.length;
  }

  /** Pages kept for reuse that nobody holds. */
  get idleCount(): number {
    return this.#idle.size;
  }

  /** Pages that an allocation could get. */
  get availableCount(): number {
    return this.#free.length + this.#idle.size;
  }

  /** Holders of a page. */
  references(page: number): number {
    return this.#references[page] as number;
  }

  /** A page for one holder, or undefined when all are held. */
  allocate(): number | undefined {
    const page = this.#free.pop() ?? this.#evict();
    if (page !== undefined) this.#references[page] = 1;
    return page;
  }

  /** @throws Error when nobody holds the page: a fault of the engine, never of a request */
  release(page: number): void {
    const left = this.references(page) - 1;
    if (!(left >= 0)) throw new Error(`page ${page} was released more often than it was held`);
    this.#references[page] = left;
    if (left > 0) return;
    if (this.#labelOf.has(page)) this.#idle.add(page);
    else this.#free.push(page);
  }

  /** The page that holds `tokens` after the prefix `parent`, now held once more; undefined when there is none. */
  find(parent: number, tokens: readonly number[]): Published | undefined {
    const found = this.#published.get(labelOf(parent, tokens));
    if (!found) return undefined;
    this.#references[found.page] = this.references(found.page) + 1;
    this.#idle.delete(found.page);
    return found;
  }

  /**
   * Makes a page findable that the next step fills. Returns its key, or that of the page that already holds the
   * same, which then stays the one that is found.
   */
  publish(page: number, parent: number, tokens: readonly number[]): number {
    const label = labelOf(parent, tokens);
    const known = this.#published.get(label);
    if (known) return known.key;
    const key = this.#nextKey++;
    this.#published.set(label, { page, key });
    this.#labelOf.set(page, label);
    this.#unfilled.add(page);
    return key;
  }

  /** The step ran: what was published for it is filled. */
  confirm(): void {
    this.#unfilled.clear();
  }

  /** The step failed: what was published for it holds nothing. */
  revoke(): void {
    for (const page of this.#unfilled) {
      this.#forget(page);
      if (this.#idle.delete(page)) this.#free.push(page);
    }
    this.#unfilled.clear();
  }

  #evict(): number | undefined {
    const page = this.#idle.values().next().value;
    if (page === undefined) return undefined;
    this.#idle.delete(page);
    this.#forget(page);
    return page;
  }

  #forget(page: number): void {
    this.#published.delete(this.#labelOf.get(page) as string);
    this.#labelOf.delete(page);
  }
}

function labelOf(parent: number, tokens: readonly number[]): string {
  return `${parent}|${tokens.join(',')}`;
}
