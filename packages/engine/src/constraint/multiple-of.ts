/**
 * Multiples of a number as a grammar over their digits: what is left of the digits before, divided by it, is the state.
 * Like `numberRange`, over points of a grid of so many decimals, on which every multiple is.
 */

import {
  alt,
  chars,
  EMPTY,
  NOTHING,
  optional,
  type Rules,
  seq,
  text,
  type CharRange,
  type Expr,
} from './grammar.ts';
import { signed, stretches, type Stretch } from './number-range.ts';
import { merged } from './regex.ts';

export interface Multiples {
  /** Bounds on the grid, both ends included. */
  readonly low: bigint;
  readonly high: bigint;
  /** Of the number, on the grid; at least 1. */
  readonly step: number;
  /** Digits behind the decimal point. */
  readonly decimals: number;
}

/** Digits are few enough for a double to hold every number exactly. */
const MAX_DIGITS = 15;
/** Rules of the grammar at most: more take longer to compile than a caller should wait. */
const MAX_STATES = 400;

/** Digits that multiples of `step` may have for their grammar to be of tolerable size; 0 where it never is. */
export function multipleDigits(step: number): number {
  if (!(step <= 10 ** MAX_DIGITS)) return 0;
  let states = 0;
  for (let digits = 1; digits <= MAX_DIGITS; digits++) {
    states += step / commonDivisor(step, 10 ** digits);
    if (states > MAX_STATES) return digits - 1 > String(step).length ? digits - 1 : 0;
  }
  return MAX_DIGITS;
}

export function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

export function multiplesBetween({ low, high, step, decimals }: Multiples, rules: Rules): Expr {
  return signed(low, high, (from, to) =>
    alt(
      ...Array.from(stretches(from, to, decimals), (stretch) =>
        new Walk({ ...stretch, step, decimals }, rules).from(0, 0, true, true),
      ),
    ),
  );
}

type Digits = Stretch & Pick<Multiples, 'step' | 'decimals'>;

class Walk {
  readonly #of: Digits;
  readonly #rules: Rules;

  constructor(of: Digits, rules: Rules) {
    this.#of = of;
    this.#rules = rules;
  }

  /** What may follow at a position where `rest` is left, while the digits before are those of a bound. */
  from(at: number, rest: number, atLow: boolean, atHigh: boolean): Expr {
    const { low, high, whole, step, decimals } = this.#of;
    if (at === low.length) return rest === 0 ? EMPTY : NOTHING;
    const [isFromLow, isToHigh] = [
      atLow && !/^0*$/.test(low.slice(at)),
      atHigh && !/^9*$/.test(high.slice(at)),
    ];
    const isFree = !isFromLow && !isToHigh;
    const left = low.length - at;
    // What is left, with zeros for the digits to come: all that they depend on.
    const state = Number((BigInt(rest) * 10n ** BigInt(left)) % BigInt(step));
    const next = (): Expr => {
      const digits = this.#digits(at, rest, isFromLow, isToHigh);
      if (at < whole) return digits;
      // Digits behind the point may end where zeros would do.
      const more = at === whole ? seq(text('.'), digits) : digits;
      const endsHere = !isFromLow && state === 0;
      return endsHere ? optional(more) : more;
    };
    // Without bounds it is the same for numbers of every length.
    return isFree ? this.#rules.of(`multiple ${step} ${decimals} ${left} ${state}`, next) : next();
  }

  #digits(at: number, rest: number, isFromLow: boolean, isToHigh: boolean): Expr {
    const { low, high, step } = this.#of;
    const [from, to] = [isFromLow ? Number(low[at]) : 0, isToHigh ? Number(high[at]) : 9];
    const after = new Map<string, { readonly digits: CharRange[]; readonly then: Expr }>();
    for (let digit = from; digit <= to; digit++) {
      const then = this.from(
        at + 1,
        (rest * 10 + digit) % step,
        isFromLow && digit === from,
        isToHigh && digit === to,
      );
      if (then === NOTHING) continue;
      const alike = then === EMPTY ? 'end' : then.kind === 'rule' ? then.name : `${digit}`;
      const code = 0x30 + digit;
      if (!after.has(alike)) after.set(alike, { digits: [], then });
      after.get(alike)!.digits.push([code, code]);
    }
    return alt(...[...after.values()].map(({ digits, then }) => seq(chars(...merged(digits)), then)));
  }
}
