/**
 * Pages of the KV cache: reference counts, and full pages found again by the tokens they hold.
 * A page's key chains to the page before it, so equal keys mean equal prefixes; keys are compared whole, so no
 * hash can collide. Pages that nobody holds stay findable until they are needed, least recently used first.
 *
 * @see Kwon et al. 2023, arXiv:2309.06180, section 4.3
 */

/** Chain key of the empty prefix. */
export const ROOT_KEY = 0;

interface Published {
  readonly page: number;
  /** What pages that follow this one chain to. */
  readonly key: number;
}

export class PagePool {
  readonly total: number;
  readonly #references: Int32Array;
  readonly #free: number[];
  /** `parent key | tokens` -> page. */
  readonly #published = new Map<string, Published>();
  readonly #nameOf = new Map<number, string>();
  /** Published pages without references, oldest first. */
  readonly #idle = new Set<number>();
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

  /** A page for one holder, or undefined when all are held. */
  allocate(): number | undefined {
    const page = this.#free.pop() ?? this.#evict();
    if (page !== undefined) this.#references[page] = 1;
    return page;
  }

  release(page: number): void {
    const left = (this.#references[page] as number) - 1;
    if (left < 0) throw new Error(`page ${page} was released more often than it was held`);
    this.#references[page] = left;
    if (left > 0) return;
    if (this.#nameOf.has(page)) this.#idle.add(page);
    else this.#free.push(page);
  }

  /** The page that holds `tokens` after the prefix `parent`, now held once more; undefined when there is none. */
  find(parent: number, tokens: readonly number[]): Published | undefined {
    const found = this.#published.get(name(parent, tokens));
    if (!found) return undefined;
    this.#references[found.page] = (this.#references[found.page] as number) + 1;
    this.#idle.delete(found.page);
    return found;
  }

  /** Makes a full page findable. Returns its key, or that of the page that already holds the same. */
  publish(page: number, parent: number, tokens: readonly number[]): number {
    const label = name(parent, tokens);
    const known = this.#published.get(label);
    if (known) return known.key;
    const key = this.#nextKey++;
    this.#published.set(label, { page, key });
    this.#nameOf.set(page, label);
    return key;
  }

  #evict(): number | undefined {
    const page = this.#idle.values().next().value;
    if (page === undefined) return undefined;
    this.#idle.delete(page);
    this.#published.delete(this.#nameOf.get(page) as string);
    this.#nameOf.delete(page);
    return page;
  }
}

function name(parent: number, tokens: readonly number[]): string {
  return `${parent}|${tokens.join(',')}`;
}
