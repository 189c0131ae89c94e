/**
 * Finds stop strings in text that comes in pieces, holding back only what may still become one. The string that is
 * complete first ends the text, so that it does not matter where tokens end.
 */

export interface StopResult {
  /** Text that is safe to show. */
  readonly text: string;
  /** The stop string that was found, if one was. */
  readonly stop?: string;
}

interface Found {
  readonly at: number;
  readonly stop: string;
}

export class StopStrings {
  readonly #stops: readonly string[];
  #held = '';

  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop.length > 0);
  }

  push(piece: string): StopResult {
    if (this.#stops.length === 0) return { text: piece };
    this.#held += piece;
    const found = this.#first();
    if (found) {
      const text = this.#held.slice(0, found.at);
      this.#held = '';
      return { text, stop: found.stop };
    }
    const shown = this.#held.length - this.#undecided();
    const text = this.#held.slice(0, shown);
    this.#held = this.#held.slice(shown);
    return { text };
  }

  /** What was held back, now that nothing follows. */
  flush(): string {
    const text = this.#held;
    this.#held = '';
    return text;
  }

  /** The stop string that ends first, the longest of those that end there. */
  #first(): Found | undefined {
    let best: Found | undefined;
    for (const stop of this.#stops) {
      const at = this.#held.indexOf(stop);
      if (at >= 0 && (!best || isBefore({ at, stop }, best))) best = { at, stop };
    }
    return best;
  }

  /** Length of the longest end of the held text that begins a stop string. */
  #undecided(): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let n = Math.min(stop.length - 1, this.#held.length); n > longest; n--) {
        if (this.#held.endsWith(stop.slice(0, n))) longest = n;
      }
    }
    return longest;
  }
}

function isBefore(a: Found, b: Found): boolean {
  const [endA, endB] = [a.at + a.stop.length, b.at + b.stop.length];
  return endA < endB || (endA === endB && a.stop.length > b.stop.length);
}
