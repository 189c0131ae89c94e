/** Reads the text of a grammar into trees; what the rules mean together is not its business. */

import type { RequestError } from '@steelyard/core';
import { alt, repeat, seq, text, type CharRange, type Expr } from './grammar.ts';
import { complement, MAX_REPEAT, merged, spellPlain } from './regex.ts';

export interface NamedRule {
  readonly name: string;
  readonly body: Expr;
  /** Where it begins, from 1. */
  readonly line: number;
}

const MAX_DEPTH = 64;
const SPACE = /(?:\s|#[^\n]*)*/y;
const NAME = /[A-Za-z_][\w.-]*/y;
const DEFINED = /(?:\s|#[^\n]*)*::=/y;
const COUNT = /\{\s*(\d{1,9})\s*(,)?\s*(\d{1,9})?\s*\}/y;
const ESCAPE = /\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([^xuU]))/uy;
const PLAIN: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '0': '\0' };

export class EbnfReader {
  readonly #source: string;
  readonly #refuse: (why: string) => RequestError;
  #at = 0;
  #depth = 0;

  constructor(source: string, refuse: (why: string) => RequestError) {
    this.#source = source;
    this.#refuse = refuse;
  }

  *rules(): Generator<NamedRule> {
    this.#take(SPACE);
    while (this.#at < this.#source.length) {
      const line = this.#line;
      const name = this.#take(NAME)?.[0];
      if (name === undefined || !this.#take(DEFINED)) throw this.#wrong("expected 'name ::='");
      yield { name, body: this.#choice(), line };
    }
  }

  #choice(): Expr {
    const branches = [this.#sequence()];
    while (this.#eat('|')) branches.push(this.#sequence());
    return alt(...branches);
  }

  /** Up to `|`, `)`, the end, or the name of the next rule. */
  #sequence(): Expr {
    const items: Expr[] = [];
    for (this.#take(SPACE); !this.#isEnd(); this.#take(SPACE)) items.push(this.#repeated(this.#primary()));
    return seq(...items);
  }

  #isEnd(): boolean {
    const next = this.#source[this.#at];
    if (next === undefined || next === '|' || next === ')') return true;
    const start = this.#at;
    const isDefinition = this.#take(NAME) !== undefined && this.#take(DEFINED) !== undefined;
    this.#at = start;
    return isDefinition;
  }

  #primary(): Expr {
    const name = this.#take(NAME)?.[0];
    if (name !== undefined) return { kind: 'rule', name };
    if (this.#eat('"')) return text(this.#string());
    if (this.#eat('[')) return this.#class();
    if (this.#eat('.')) return spellPlain(complement([]));
    if (!this.#eat('(')) throw this.#wrong('expected a text in quotes, a class, a rule or a group');
    if (++this.#depth > MAX_DEPTH) throw this.#wrong(`groups nest deeper than ${MAX_DEPTH}`);
    const inner = this.#choice();
    if (!this.#eat(')')) throw this.#wrong("expected ')'");
    this.#depth--;
    return inner;
  }

  #repeated(item: Expr): Expr {
    if (this.#eat('*')) return repeat(item, 0);
    if (this.#eat('+')) return repeat(item, 1);
    if (this.#eat('?')) return repeat(item, 0, 1);
    const count = this.#take(COUNT);
    if (!count) return item;
    const min = Number(count[1]);
    const most = count[3] === undefined ? undefined : Number(count[3]);
    const max = count[2] === undefined ? min : most;
    if (Math.max(min, max ?? 0) > MAX_REPEAT) throw this.#wrong(`more than ${MAX_REPEAT} repetitions`);
    if (max !== undefined && min > max) throw this.#wrong(`'${count[0]}' ends before it begins`);
    return repeat(item, min, max);
  }

  #string(): string {
    let value = '';
    while (!this.#eat('"')) {
      if ('\n'.includes(this.#source[this.#at] ?? '')) throw this.#wrong('the text has no closing quote');
      value += String.fromCodePoint(this.#character());
    }
    return value;
  }

  #class(): Expr {
    const negated = this.#eat('^');
    const ranges: CharRange[] = [];
    while (!this.#eat(']')) {
      if ('\n'.includes(this.#source[this.#at] ?? '')) throw this.#wrong("the class has no closing ']'");
      const from = this.#character();
      const isRange = this.#source[this.#at] === '-' && this.#source[this.#at + 1] !== ']';
      if (isRange) this.#at++;
      const to = isRange ? this.#character() : from;
      if (to < from) throw this.#wrong('a range of the class ends before it begins');
      ranges.push([from, to]);
    }
    return spellPlain(negated ? complement(ranges) : merged(ranges));
  }

  /** A character, escaped or not. */
  #character(): number {
    if (this.#source[this.#at] !== '\\') {
      const code = this.#source.codePointAt(this.#at)!;
      this.#at += code > 0xffff ? 2 : 1;
      return code;
    }
    const found = this.#take(ESCAPE);
    if (!found) throw this.#wrong('an escape that is none');
    const [, byte, short, long, char = ''] = found;
    const digits = byte ?? short ?? long;
    const code = digits === undefined ? (PLAIN[char] ?? char).codePointAt(0)! : parseInt(digits, 16);
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw this.#wrong('an escape of no character');
    return code;
  }

  #eat(char: string): boolean {
    if (this.#source[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source);
    if (found) this.#at = pattern.lastIndex;
    return found ?? undefined;
  }

  get #line(): number {
    return this.#source.slice(0, this.#at).split('\n').length;
  }

  #wrong(why: string): RequestError {
    const next = this.#source.slice(this.#at, this.#at + 20);
    return this.#refuse(`line ${this.#line}: ${why}, got ${next === '' ? 'the end' : JSON.stringify(next)}`);
  }
}
