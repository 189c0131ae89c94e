/** Finds stop strings in text that comes in pieces, holding back only what may still become one. */

export interface StopResult {
  /** Text that is safe to show. */
  readonly text: string;
  /** The stop string that was found, if one was. */
  readonly stop?: string;
}

export class StopStrings {
  readonly #stops: readonly string[];
  #held = '';

  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop.length > 0);
  }

  push(piece: string): StopResult {
    this.#held += piece;
    const found = this.#first();
    if (found) {
      const text = this.#held.slice(0, found.at);
      this.#held = '';
      return { text, stop: found.stop };
    }
    const keep = this.#heldBack();
    const text = this.#held.slice(0, this.#held.length - keep);
    this.#held = this.#held.slice(this.#held.length - keep);
    return { text };
  }

  /** What was held back, now that nothing follows. */
  flush(): string {
    const text = this.#held;
    this.#held = '';
    return text;
  }

  /** The earliest stop string, the longest of those that begin there. */
  #first(): { at: number; stop: string } | undefined {
    let best: { at: number; stop: string } | undefined;
    for (const stop of this.#stops) {
      const at = this.#held.indexOf(stop);
      if (at < 0) continue;
      if (!best || at < best.at || (at === best.at && stop.length > best.stop.length)) best = { at, stop };
    }
    return best;
  }

  /** Length of the longest end of the held text that begins a stop string. */
  #heldBack(): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let n = Math.min(stop.length - 1, this.#held.length); n > longest; n--) {
        if (this.#held.endsWith(stop.slice(0, n))) longest = n;
      }
    }
    return longest;
  }
}
