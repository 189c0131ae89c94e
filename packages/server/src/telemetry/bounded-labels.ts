/** Labels of metrics that others choose: the first so many keep their name, so that a series for each fits in memory. */

const REST = 'other';

export class BoundedLabels {
  readonly #seen = new Set<string>();
  readonly #most: number;

  constructor(most = 100) {
    this.#most = most;
  }

  /** The label, or `other` where there are too many. */
  of(label: string): string {
    if (this.#seen.has(label)) return label;
    if (this.#seen.size >= this.#most) return REST;
    this.#seen.add(label);
    return label;
  }
}
