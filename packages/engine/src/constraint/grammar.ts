/**
 * Context-free grammars over characters, as small trees, and their text in xgrammar's EBNF. Schemas and patterns become
 * these trees; what no answer could ever complete is left out before the text is written.
 */

import { shallow } from './shallow.ts';
import { utf8Ranges } from './utf8-ranges.ts';

export type CharRange = readonly [from: number, to: number];

export type Expr =
  | { readonly kind: 'text'; readonly text: string }
  /** One character out of ranges of code points, both ends included. */
  | { readonly kind: 'chars'; readonly ranges: readonly CharRange[] }
  | { readonly kind: 'seq'; readonly items: readonly Expr[] }
  /** Without branches it matches nothing at all. */
  | { readonly kind: 'alt'; readonly items: readonly Expr[] }
  | { readonly kind: 'repeat'; readonly item: Expr; readonly min: number; readonly max: number | undefined }
  | { readonly kind: 'rule'; readonly name: string };

export const text = (value: string): Expr => ({ kind: 'text', text: value });
export const chars = (...ranges: readonly CharRange[]): Expr => ({ kind: 'chars', ranges });
export const seq = (...items: readonly Expr[]): Expr =>
  items.length === 1 ? items[0]! : { kind: 'seq', items };
export const alt = (...items: readonly Expr[]): Expr =>
  items.length === 1 ? items[0]! : { kind: 'alt', items };
export const repeat = (item: Expr, min: number, max?: number): Expr => ({ kind: 'repeat', item, min, max });
export const optional = (item: Expr): Expr => repeat(item, 0, 1);

export const EMPTY: Expr = seq();
export const NOTHING: Expr = alt();

/** Named rules, which may refer to each other. */
export class Rules {
  readonly #bodies = new Map<string, Expr>();
  readonly #names = new Map<string, string>();

  /** The rule for `key`, made by `make` at its first use; while it is made, it may refer to itself. */
  of(key: string, make: () => Expr): Expr {
    const known = this.#names.get(key);
    if (known !== undefined) return { kind: 'rule', name: known };
    const name = `r${this.#names.size}`;
    this.#names.set(key, name);
    this.#bodies.set(name, NOTHING);
    this.#bodies.set(name, make());
    return { kind: 'rule', name };
  }

  /** A rule of its own for what is used in several places, so that its text is written once. */
  share(expr: Expr): Expr {
    return expr.kind === 'rule' ? expr : this.of(`shared ${this.#names.size}`, () => expr);
  }

  get bodies(): ReadonlyMap<string, Expr> {
    return this.#bodies;
  }
}

/** What a grammar's text needs: where it starts, and the rules that it reaches. */
export interface Grammar {
  readonly root: Expr;
  readonly rules: Rules;
}

/** The grammar in xgrammar's EBNF; undefined when no text at all matches it. */
export function toEbnf({ root, rules }: Grammar): string | undefined {
  const bodies = shallow(new Map([['root', root], ...rules.bodies]));
  const live = liveRules(bodies);
  if (!live.has('root')) return undefined;
  const lines = [...bodies].flatMap(([name, body]) =>
    live.has(name) ? [`${name} ::= ${print(body, live)}`] : [],
  );
  return lines.join('\n');
}

/** Characters and classes of the grammar with its repetitions written out, as xgrammar compiles it. */
export function writtenOut({ root, rules }: Grammar): number {
  return [root, ...rules.bodies.values()].reduce((sum, body) => sum + sizeOf(body), 0);
}

function sizeOf(expr: Expr): number {
  switch (expr.kind) {
    case 'text':
      return expr.text.length;
    case 'seq':
    case 'alt':
      return expr.items.reduce((sum, item) => sum + sizeOf(item), 0);
    case 'repeat':
      return sizeOf(expr.item) * Math.max(1, expr.max ?? expr.min);
    case 'chars':
    case 'rule':
      return 1;
  }
}

/** Rules that some finite text matches. */
function liveRules(bodies: ReadonlyMap<string, Expr>): ReadonlySet<string> {
  const live = new Set<string>();
  for (let before = -1; before !== live.size;) {
    before = live.size;
    for (const [name, body] of bodies) if (!live.has(name) && isLive(body, live)) live.add(name);
  }
  return live;
}

function isLive(expr: Expr, live: ReadonlySet<string>): boolean {
  switch (expr.kind) {
    case 'text':
      return true;
    case 'chars':
      return expr.ranges.length > 0;
    case 'seq':
      return expr.items.every((item) => isLive(item, live));
    case 'alt':
      return expr.items.some((item) => isLive(item, live));
    case 'repeat':
      return expr.min === 0 || isLive(expr.item, live);
    case 'rule':
      return live.has(expr.name);
  }
}

function print(expr: Expr, live: ReadonlySet<string>): string {
  switch (expr.kind) {
    case 'text':
      return `"${Array.from(expr.text, (char) => escaped(char.codePointAt(0)!)).join('')}"`;
    case 'chars':
      return printChars(expr.ranges);
    case 'seq':
      return expr.items.length === 0 ? '""' : `(${expr.items.map((item) => print(item, live)).join(' ')})`;
    case 'alt': {
      const branches = expr.items.filter((item) => isLive(item, live));
      return `(${branches.map((item) => print(item, live)).join(' | ')})`;
    }
    case 'repeat':
      return isLive(expr.item, live) ? printRepeat(expr.item, expr.min, expr.max, live) : '""';
    case 'rule':
      return expr.name;
  }
}

function printRepeat(item: Expr, min: number, max: number | undefined, live: ReadonlySet<string>): string {
  if (max === 0) return '""';
  const inner = print(item, live);
  // A class by itself repeats without a rule of its own, which is what xgrammar is fastest at.
  const body = item.kind === 'chars' && inner.startsWith('[') ? inner : `(${inner})`;
  if (min === 1 && max === 1) return body;
  if (min === 0 && max === 1) return `${body}?`;
  if (max === undefined && min < 2) return `${body}${min === 0 ? '*' : '+'}`;
  return `${body}{${min},${max ?? ''}}`;
}

/** The ASCII characters that ranges with every other character leave out; undefined for other ranges. */
function asciiLeftOut(ranges: readonly CharRange[]): CharRange[] | undefined {
  const has = (from: number, to: number): boolean => ranges.some(([a, b]) => a <= from && to <= b);
  if (!has(0x80, 0x10ffff) && !(has(0x80, 0xd7ff) && has(0xe000, 0x10ffff))) return undefined;
  const codes = Array.from({ length: 0x80 }, (_, code) => code).filter((code) => !has(code, code));
  return codes.length > 0 ? codes.map((code): CharRange => [code, code]) : undefined;
}

/**
 * Classes of bytes, one after another: see `utf8Ranges`. What leaves out a few ASCII characters only is one negated
 * class, whose masks xgrammar prepares when it compiles; spelled out, they would take a tenth of a second per token.
 */
function printChars(ranges: readonly CharRange[]): string {
  const left = asciiLeftOut(ranges);
  if (left) return printClass(left, '^');
  const spellings = ranges.flatMap((range) => utf8Ranges(range));
  const single = spellings.filter((bytes) => bytes.length === 1).map(([byte]) => byte!);
  const longer = spellings.filter((bytes) => bytes.length > 1);
  const branches = [
    ...(single.length > 0 ? [printClass(single)] : []),
    ...longer.map((bytes) => bytes.map((byte) => printClass([byte])).join(' ')),
  ];
  return branches.length === 1 ? branches[0]! : `(${branches.join(' | ')})`;
}

/** A class of one byte beyond ASCII is written twice, since xgrammar takes it once for the character of that number. */
function printClass(ranges: readonly CharRange[], negation: '' | '^' = ''): string {
  const parts = ranges.map(([from, to]) => {
    if (from < to) return `${escaped(from)}-${escaped(to)}`;
    return escaped(from).repeat(from > 0x7f ? 2 : 1);
  });
  return `[${negation}${parts.join('')}]`;
}

/** Letters and digits as they are, everything else by its number, so that nothing means anything to the reader. */
function escaped(code: number): string {
  const char = String.fromCodePoint(code);
  if (/^[A-Za-z0-9]$/.test(char)) return char;
  return code > 0xffff
    ? `\\U${code.toString(16).padStart(8, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
}
