/**
 * Numbers between two bounds as a grammar over their digits. Bounds are put on a grid of so many decimals, on which an
 * exclusive bound is the next point's inclusive one; digits are few enough that a double tells the points apart.
 */

import { alt, chars, EMPTY, optional, repeat, seq, text, type Expr } from './grammar.ts';
import { digit } from './json-text.ts';

export interface NumberBounds {
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

/** Digits that a double holds exactly. */
const DIGITS = 15;
const MAX_DECIMALS = 6;

/** @param integer only numbers without a fraction */
export function numberRange(bounds: NumberBounds, integer: boolean): Expr {
  const given = Object.values(bounds).filter((value): value is number => value !== undefined);
  const wholeDigits = Math.max(
    ...given.map((value) => BigInt(Math.floor(Math.abs(value))).toString().length),
  );
  const decimals = integer ? 0 : Math.max(0, Math.min(MAX_DECIMALS, DIGITS - wholeDigits));
  const limit = 10n ** BigInt(Math.max(DIGITS, wholeDigits) + decimals) - 1n;
  const { low, high } = gridBounds(bounds, decimals, limit);
  return signed(low, high, (from, to) => between(from, to, decimals));
}

/**
 * Points from `low` to `high` by their signs.
 * @param between makes the numbers between two bounds that are not negative
 */
export function signed(low: bigint, high: bigint, between: (low: bigint, high: bigint) => Expr): Expr {
  const branches: Expr[] = [];
  if (high >= 0n) branches.push(between(larger(low, 0n), high));
  if (low < 0n) branches.push(seq(text('-'), between(larger(-high, 1n), -low)));
  return alt(...branches);
}

/** Those of the points from `low` to `high`, both at least 0, that have so many digits before the decimal point. */
export interface Stretch {
  /** The first and the last of them, with all their digits. */
  readonly low: string;
  readonly high: string;
  readonly whole: number;
  /** Whether they are all that have so many. */
  readonly isAll: boolean;
}

/** By how many digits stand before the decimal point, the fewest first. */
export function* stretches(low: bigint, high: bigint, decimals: number): Generator<Stretch> {
  const last = high.toString().padStart(decimals + 1, '0').length - decimals;
  for (let whole = 1; whole <= last; whole++) {
    const first = whole === 1 ? 0n : 10n ** BigInt(whole - 1 + decimals);
    const end = 10n ** BigInt(whole + decimals) - 1n;
    const from = larger(low, first);
    const to = -larger(-high, -end);
    if (from > to) continue;
    const padded = (value: bigint): string => value.toString().padStart(whole + decimals, '0');
    yield { low: padded(from), high: padded(to), whole, isAll: from === first && to === end };
  }
}

/**
 * The first and the last point of a grid of so many decimals that the bounds let in.
 * @param limit of both where nothing says less
 */
export function gridBounds(
  { minimum, maximum, exclusiveMinimum, exclusiveMaximum }: NumberBounds,
  decimals: number,
  limit: bigint,
): { readonly low: bigint; readonly high: bigint } {
  let low = -limit;
  let high = limit;
  if (minimum !== undefined) low = larger(low, onGrid(minimum, decimals, 'up'));
  if (exclusiveMinimum !== undefined) low = larger(low, onGrid(exclusiveMinimum, decimals, 'down') + 1n);
  if (maximum !== undefined) high = -larger(-high, -onGrid(maximum, decimals, 'down'));
  if (exclusiveMaximum !== undefined) {
    high = -larger(-high, 1n - onGrid(exclusiveMaximum, decimals, 'up'));
  }
  return { low, high };
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

/** A number times 10^decimals, rounded; from its shortest decimal spelling, which is what a schema says. */
export function onGrid(value: number, decimals: number, direction: 'up' | 'down'): bigint {
  const [mantissa = '0', exponent = '0'] = String(value).split('e');
  const [whole = '0', fraction = ''] = mantissa.split('.');
  const digits = BigInt(whole + fraction);
  const shift = Number(exponent) - fraction.length + decimals;
  if (shift >= 0) return digits * 10n ** BigInt(shift);
  const divisor = 10n ** BigInt(-shift);
  const quotient = digits / divisor;
  const rest = digits % divisor;
  if (rest === 0n) return quotient;
  if (direction === 'up') return rest > 0n ? quotient + 1n : quotient;
  return rest < 0n ? quotient - 1n : quotient;
}

function between(low: bigint, high: bigint, decimals: number): Expr {
  const branches: Expr[] = [];
  /** Lengths whose numbers are all within, and begin with any digit but 0. */
  let [shortest, longest] = [0, 0];
  for (const stretch of stretches(low, high, decimals)) {
    const { whole, isAll } = stretch;
    if (whole > 1 && isAll) {
      shortest ||= whole;
      longest = whole;
    } else branches.push(digitsFrom(stretch, 0, true, true));
  }
  if (shortest > 0) {
    const more = repeat(digit, shortest - 1, longest - 1);
    branches.push(seq(chars([0x31, 0x39]), more, freeDigits(longest, longest + decimals, longest)));
  }
  return alt(...branches);
}

/** What may follow at a position, while the digits before are those of the low bound, of the high one, or of both. */
function digitsFrom(of: Stretch, at: number, atLow: boolean, atHigh: boolean): Expr {
  const { low, high, whole } = of;
  if (at === low.length) return EMPTY;
  // Bounds of zeros and of nines bind no more.
  const low0 = !atLow || /^0*$/.test(low.slice(at));
  const high9 = !atHigh || /^9*$/.test(high.slice(at));
  if (low0 && high9) return freeDigits(at, low.length, whole);
  const from = low0 ? 0 : Number(low[at]);
  const to = high9 ? 9 : Number(high[at]);
  const branches: Expr[] = [];
  const step = (digits: Expr, stayLow: boolean, stayHigh: boolean): void => {
    branches.push(seq(digits, digitsFrom(of, at + 1, stayLow, stayHigh)));
  };
  const one = (value: number): Expr => text(String(value));
  if (from === to) step(one(from), !low0, !high9);
  else {
    const inner: [number, number] = [low0 ? from : from + 1, high9 ? to : to - 1];
    if (!low0) step(one(from), true, false);
    if (inner[0] <= inner[1]) step(chars([0x30 + inner[0], 0x30 + inner[1]]), false, false);
    if (!high9) step(one(to), false, true);
  }
  if (at < whole) return alt(...branches);
  // After the point digits may end early, which means zeros; the point itself comes with the first of them.
  const point = at === whole ? text('.') : EMPTY;
  const more = seq(point, alt(...branches));
  return low0 ? optional(more) : more;
}

function freeDigits(at: number, end: number, whole: number): Expr {
  if (at < whole) return seq(repeat(digit, whole - at, whole - at), freeDigits(whole, end, whole));
  if (at === end) return EMPTY;
  return at === whole ? optional(seq(text('.'), repeat(digit, 1, end - at))) : repeat(digit, 0, end - at);
}
