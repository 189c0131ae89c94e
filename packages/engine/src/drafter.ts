/**
 * Guesses at the next tokens, which the next step computes beside the one that is known: rows of a step share what is read
 * of the weights, so that a right guess is nearly free. They come from what was said before (the place where the last
 * tokens stood last, and what followed there) or from an answer that is expected. What is drawn decides, so that an answer
 * is the same with guesses and without.
 *
 * @see Leviathan et al. 2023, arXiv:2211.17192; prompt lookup: Saxena 2023
 */

/** Tokens that must agree before a place in the text itself counts: a pair and the one before it. */
const LEAST_MATCH = 3;
/** Tokens at the end of a text in which places are sought. */
const REACH = 16_384;
const FIRST_GUESSES = 4;
const MOST_GUESSES = 15;
/** Places passed over at most after guesses that were wrong. */
const MOST_REST = 64;

/** Where pairs of tokens stood last in a text that grows. */
class Places {
  readonly #tokens: readonly number[];
  readonly #after = new Map<number, number>();
  #next: number;

  constructor(tokens: readonly number[]) {
    this.#tokens = tokens;
    this.#next = Math.max(1, tokens.length - REACH);
  }

  /** The position after the last place of this pair that ends before `end`; what was asked for once may not be sought again. */
  find(first: number, second: number, end: number): number | undefined {
    for (; this.#next < end; this.#next++) {
      const key = pairKey(this.#tokens[this.#next - 1] as number, this.#tokens[this.#next] as number);
      this.#after.set(key, this.#next + 1);
    }
    return this.#after.get(pairKey(first, second));
  }
}

export class Drafter {
  readonly #tokens: readonly number[];
  readonly #promptLength: number;
  readonly #expected: readonly number[];
  readonly #places: Places;
  readonly #expectedPlaces: Places;
  /** Where the answer has come to in what is expected; absent where it has left it. */
  #at: number | undefined = 0;
  /** Tokens of the answer that `#at` stands behind. */
  #followed = 0;
  /** Whether the last guesses were of what is expected. */
  #ofExpected = false;
  #accepted = 0;
  #rejected = 0;
  #most = FIRST_GUESSES;
  /** Places still to pass over. */
  #rest = 0;
  #nextRest = 1;

  /**
   * @param tokens prompt and answer, to which tokens are added
   * @param expected an answer that is expected, whole or in large parts
   */
  constructor(tokens: readonly number[], promptLength: number, expected: readonly number[] = []) {
    this.#tokens = tokens;
    this.#promptLength = promptLength;
    this.#expected = expected;
    this.#places = new Places(tokens);
    this.#expectedPlaces = new Places(expected);
  }

  /** What may follow `tokens` as they are now, `room` at most; often nothing. */
  guess(room: number): readonly number[] {
    const most = Math.min(room, this.#most);
    if (most < 1) return [];
    const expected = this.#fromExpected(most);
    this.#ofExpected = expected.length > 0;
    const guesses = this.#ofExpected ? expected : this.#fromText(most);
    if (guesses.length === 0 || this.#rest === 0) return guesses;
    this.#rest--;
    return [];
  }

  /** So many guesses were computed, and so many of them were right. */
  learn(guessed: number, right: number): void {
    if (this.#ofExpected) {
      this.#accepted += right;
      this.#rejected += guessed - right;
    }
    this.#most = right === guessed ? Math.min(MOST_GUESSES, Math.max(this.#most, 2 * guessed)) : right + 1;
    if (2 * right >= guessed) {
      this.#nextRest = 1;
      return;
    }
    this.#rest = this.#nextRest;
    this.#nextRest = Math.min(MOST_REST, 2 * this.#nextRest);
  }

  /** Guesses of what was expected that were right, and those that were not. */
  get expectedTokens(): { readonly accepted: number; readonly rejected: number } {
    return { accepted: this.#accepted, rejected: this.#rejected };
  }

  #fromExpected(most: number): readonly number[] {
    const expected = this.#expected;
    const answered = this.#tokens.length - this.#promptLength;
    if (expected.length === 0) return [];
    for (; this.#followed < answered; this.#followed++) {
      const token = this.#tokens[this.#promptLength + this.#followed] as number;
      if (this.#at !== undefined && expected[this.#at] === token) this.#at++;
      else this.#at = this.#found(this.#promptLength + this.#followed, token);
    }
    return this.#at === undefined ? [] : expected.slice(this.#at, this.#at + most);
  }

  /** Where the answer comes back to what is expected. */
  #found(position: number, token: number): number | undefined {
    if (position <= this.#promptLength) return undefined;
    return this.#expectedPlaces.find(this.#tokens[position - 1] as number, token, this.#expected.length);
  }

  #fromText(most: number): readonly number[] {
    const tokens = this.#tokens;
    const end = tokens.length;
    if (end <= LEAST_MATCH) return [];
    const place = this.#places.find(tokens[end - 2] as number, tokens[end - 1] as number, end - 1);
    if (place === undefined) return [];
    if (tokens[place - LEAST_MATCH] !== tokens[end - LEAST_MATCH]) return [];
    const guesses: number[] = [];
    // What repeats itself goes on with what was guessed of it.
    for (let i = place; guesses.length < most; i++) guesses.push(tokens[i] ?? (guesses[i - end] as number));
    return guesses;
  }
}

/** Ids are far below 2^26. */
const pairKey = (first: number, second: number): number => first * 2 ** 26 + second;
