/** The grammar of JSON texts without a schema: white space, strings, numbers, any value. */

import { alt, chars, optional, repeat, seq, text, type CharRange, type Expr, type Rules } from './grammar.ts';

/**
 * White space between tokens of JSON: none, a space, or a line break with an indent. Less than JSON allows, because a
 * model that may write blanks for ever sometimes does.
 */
export function gap(rules: Rules): Expr {
  const indent = alt(repeat(text(' '), 0, 32), repeat(text('\t'), 1, 8));
  return rules.of('gap', () => optional(alt(text(' '), seq(text('\n'), indent))));
}

/** Every character that a string may hold unescaped. */
export const PLAIN: readonly CharRange[] = [
  [0x20, 0x21],
  [0x23, 0x5b],
  [0x5d, 0xd7ff],
  [0xe000, 0x10ffff],
];

export const digit = chars([0x30, 0x39]);

/** An escaped character. Escapes of half characters are left out: JSON's readers disagree on them. */
function escape(rules: Rules): Expr {
  const hex = chars([0x30, 0x39], [0x41, 0x46], [0x61, 0x66]);
  const notD = chars([0x30, 0x39], [0x41, 0x43], [0x45, 0x46], [0x61, 0x63], [0x65, 0x66]);
  const d = chars([0x44, 0x44], [0x64, 0x64]);
  const unit = alt(seq(notD, hex, hex, hex), seq(d, chars([0x30, 0x37]), hex, hex));
  const simple = alt(...['"', '\\', '/', 'b', 'f', 'n', 'r', 't'].map(text));
  return rules.of('escape', () => seq(text('\\'), alt(simple, seq(text('u'), unit))));
}

/** One character of a string, escaped or not. */
export function stringChar(rules: Rules): Expr {
  return rules.of('char', () => alt(chars(...PLAIN), escape(rules)));
}

export function anyString(rules: Rules, min = 0, max?: number): Expr {
  if (min > 0 || max !== undefined) return seq(text('"'), repeat(stringChar(rules), min, max), text('"'));
  const plain = repeat(chars(...PLAIN), 0);
  return rules.of('string', () => seq(text('"'), plain, repeat(seq(escape(rules), plain), 0), text('"')));
}

/** Digits are limited so that every integer is exact in a double. */
export function anyInteger(rules: Rules): Expr {
  return rules.of('integer', () =>
    seq(optional(text('-')), alt(text('0'), seq(chars([0x31, 0x39]), repeat(digit, 0, 14)))),
  );
}

/** The exponent is limited so that every number is finite in a double. */
export function anyNumber(rules: Rules): Expr {
  return rules.of('number', () =>
    seq(
      anyInteger(rules),
      optional(seq(text('.'), repeat(digit, 1, 15))),
      optional(
        seq(
          chars([0x45, 0x45], [0x65, 0x65]),
          optional(chars([0x2b, 0x2b], [0x2d, 0x2d])),
          repeat(digit, 1, 2),
        ),
      ),
    ),
  );
}

export function anyObject(rules: Rules): Expr {
  return rules.of('object', () => {
    const member = seq(anyString(rules), text(':'), gap(rules), anyValue(rules));
    return enclosed(rules, '{', list(rules, member, 0, undefined), '}');
  });
}

export function anyArray(rules: Rules): Expr {
  return rules.of('array', () => enclosed(rules, '[', list(rules, anyValue(rules), 0, undefined), ']'));
}

export function anyValue(rules: Rules): Expr {
  return rules.of('value', () =>
    alt(
      anyObject(rules),
      anyArray(rules),
      anyString(rules),
      anyNumber(rules),
      text('true'),
      text('false'),
      text('null'),
    ),
  );
}

/** `min` to `max` items with commas between. */
export function list(rules: Rules, item: Expr, min: number, max: number | undefined): Expr {
  if (max === 0) return seq();
  // It stands here twice: written out, lists in lists would double with each.
  const one = rules.share(item);
  const more = repeat(seq(comma(rules), one), Math.max(0, min - 1), max === undefined ? undefined : max - 1);
  return min === 0 ? optional(seq(one, more)) : seq(one, more);
}

export function comma(rules: Rules): Expr {
  return seq(gap(rules), text(','), gap(rules));
}

export function enclosed(rules: Rules, open: string, body: Expr, close: string): Expr {
  return seq(text(open), gap(rules), body, gap(rules), text(close));
}
