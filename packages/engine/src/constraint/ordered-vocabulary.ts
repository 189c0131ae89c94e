/** The tokens of a vocabulary in order of their bytes, so that those with a common beginning are judged together. */

export class OrderedVocabulary {
  readonly #ids: readonly number[];
  readonly #texts: readonly string[];
  /** Of each token, how many bytes it has in common with the one before. */
  readonly #common: Uint16Array;

  /** @param vocabulary each token's bytes, by id; none for what is no text */
  constructor(vocabulary: readonly Uint8Array[]) {
    const entries = vocabulary.flatMap((bytes, id) =>
      bytes.length > 0 ? [{ id, text: String.fromCharCode(...bytes) }] : [],
    );
    entries.sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0));
    this.#ids = entries.map(({ id }) => id);
    this.#texts = entries.map(({ text }) => text);
    this.#common = Uint16Array.from(entries, ({ text }, i) => commonLength(text, entries[i - 1]?.text ?? ''));
  }

  /**
   * Finds the tokens whose bytes fit, each beginning judged once.
   * @param push takes a byte behind those that stand, or tells that it does not fit
   * @param pop takes so many bytes back
   * @param found is called with the id of each that fits
   * @param steps bytes to judge at most
   * @returns whether all were judged
   */
  search(
    push: (byte: number) => boolean,
    pop: (count: number) => void,
    found: (id: number) => void,
    steps: number,
  ): boolean {
    /** Bytes that stand. */
    let depth = 0;
    /** Length of the beginning that did not fit; what shares it does not either. */
    let wrong = Infinity;
    let left = steps;
    for (let i = 0; i < this.#ids.length && left > 0; i++) {
      const common = this.#common[i] as number;
      if (common >= wrong) continue;
      if (common < depth) pop(depth - common);
      depth = Math.min(depth, common);
      wrong = Infinity;
      const text = this.#texts[i] as string;
      for (; depth < text.length && left > 0; depth++, left--) {
        if (push(text.charCodeAt(depth))) continue;
        wrong = depth + 1;
        left--;
        break;
      }
      if (depth === text.length) found(this.#ids[i] as number);
    }
    if (depth > 0) pop(depth);
    return left > 0;
  }
}

function commonLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}
