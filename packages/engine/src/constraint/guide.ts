/**
 * Keeps an answer to its constraint, token by token. It fails closed: what it cannot judge is an error of the request,
 * and no token passes that the constraint does not allow.
 */

/** What tells which tokens may come. */
export interface Judge {
  /**
   * A bit per token, set where it may come next; ends of the answer among them. Not to be changed.
   * @param steps of judging to take at most; where they do not do, some that do not fit are among them
   */
  mask(steps: number): Promise<Int32Array>;
  /** Takes a token; false, and nothing has changed, where it does not fit. */
  accept(id: number): boolean;
  /** Frees what it holds; harmless when repeated. */
  dispose(): void;
}

/** Steps after a token was tried and did not fit: a millisecond or two. Few fit at most places where one did not. */
const STEPS = 2000;
/** Tokens tried before all are judged, which may take some tenths of a second where many fit. */
const TRIES = 64;

export class Guide {
  readonly #judge: Judge;
  readonly #tries: number;
  /** Tokens that were tried at this place and do not fit. */
  #refused: number[] = [];

  /** @param tries whether tokens may be tried before all are judged */
  constructor(judge: Judge, { tries = false }: { readonly tries?: boolean } = {}) {
    this.#judge = judge;
    this.#tries = tries ? TRIES : 0;
  }

  /** Tokens that were tried since the last that was taken. */
  get tried(): number {
    return this.#refused.length;
  }

  /** A bit per token, set where it may come next, or may be tried. */
  async mask(): Promise<Int32Array> {
    const tried = this.#refused.length;
    const mask = await this.#judge.mask(tried >= this.#tries ? Infinity : tried > 0 ? STEPS : 0);
    if (tried === 0) return mask;
    const left = mask.slice();
    for (const id of this.#refused) left[id >> 5] = (left[id >> 5] as number) & ~(1 << (id & 31));
    return left;
  }

  /**
   * Takes a token that the last mask allowed. False where it was tried and does not fit: the next mask is without it.
   * @throws Error when it does not fit and was not to be tried
   */
  accept(id: number): boolean {
    if (this.#judge.accept(id)) {
      this.#refused = [];
      return true;
    }
    if (this.#refused.length >= this.#tries) throw new Error(`token ${id} does not fit the constraint`);
    this.#refused.push(id);
    return false;
  }

  dispose(): void {
    this.#judge.dispose();
  }
}

/** Sets the logits [vocab] of tokens whose bit is not set to -Infinity, in place. */
export function applyMask(logits: Float32Array, mask: Int32Array): void {
  for (let word = 0, id = 0; id < logits.length; word++, id += 32) {
    // Ids beyond the mask are padding of the model's, no tokens.
    const bits = mask[word] ?? 0;
    if (bits === -1) continue;
    const end = Math.min(id + 32, logits.length);
    if (bits === 0) logits.fill(-Infinity, id, end);
    else for (let at = id; at < end; at++) if (!((bits >>> (at - id)) & 1)) logits[at] = -Infinity;
  }
}
