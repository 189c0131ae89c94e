/** `multipleOf`: numbers that are so many times another, which is small or has few decimals. */

import { type Expr, type Rules } from './grammar.ts';
import { commonDivisor, multipleDigits, multiplesBetween } from './multiple-of.ts';
import { gridBounds, onGrid, type NumberBounds } from './number-range.ts';
import { refuse, shown, type SchemaPath } from './schema-keywords.ts';

const MAX_DECIMALS = 6;

/**
 * Numbers as a decimal says them: a reader that divides doubles may find that 0.07 is no multiple of 0.01.
 * @throws RequestError at `path` for a number whose multiples no small grammar tells
 */
export function multipleGrammar(
  multipleOf: unknown,
  { bounds, integer }: { readonly bounds: NumberBounds; readonly integer: boolean },
  rules: Rules,
  path: SchemaPath,
): Expr {
  if (typeof multipleOf !== 'number' || !(multipleOf > 0) || !Number.isFinite(multipleOf)) {
    throw refuse(path, `got ${shown(multipleOf)}, expected a number above 0`);
  }
  const given = decimalsOf(multipleOf);
  if (given > MAX_DECIMALS) {
    throw refuse(path, `got ${multipleOf}, expected a number of at most ${MAX_DECIMALS} decimals`);
  }
  const onItsGrid = Number(onGrid(multipleOf, given, 'down'));
  // Of its multiples those without a fraction are multiples of this.
  const step = integer ? onItsGrid / commonDivisor(onItsGrid, 10 ** given) : onItsGrid;
  const decimals = integer ? 0 : given;
  const digits = multipleDigits(step);
  const most = 10n ** BigInt(digits) - 1n;
  const { low, high } = gridBounds(bounds, decimals, most);
  if (digits <= decimals || low > most || high < -most) {
    const why = `the multiples of ${multipleOf} make too large a grammar`;
    throw refuse(path, `${why}; leave it out, choose one with fewer digits, or bounds nearer to 0`);
  }
  return multiplesBetween({ low, high, step, decimals }, rules);
}

function decimalsOf(value: number): number {
  const [mantissa = '', exponent = '0'] = String(value).split('e');
  return Math.max(0, (mantissa.split('.')[1] ?? '').length - Number(exponent));
}
