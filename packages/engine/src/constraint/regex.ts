/**
 * ECMAScript patterns as grammars. Only what is regular translates: groups, classes, alternatives, repetition, and
 * anchors at the ends. Look-around, back references and word boundaries are refused, with the pattern's own words.
 */

import { RequestError } from '@steelyard/core';
import { RegExpParser, type AST } from '@eslint-community/regexpp';
import { alt, chars, repeat, seq, text, type CharRange, type Expr } from './grammar.ts';

export interface RegexOptions {
  /** How a set of characters is spelt in the answer. */
  readonly spell: (ranges: readonly CharRange[]) => Expr;
  /** Whether the pattern must match all of the text, or may match a part of it, as JSON Schema has it. */
  readonly whole: boolean;
  /** Names the pattern in errors. */
  readonly param: string;
}

/** Counted repetition is unrolled in places, so it has a limit. */
export const MAX_REPEAT = 4096;
const MAX_PATTERN = 4096;
const LAST = 0x10ffff;
const SPACES: readonly CharRange[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];
const DIGITS: readonly CharRange[] = [[0x30, 0x39]];
const WORD: readonly CharRange[] = [...DIGITS, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
const LINE_ENDS: readonly CharRange[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];

/** @throws RequestError when the pattern is no pattern or is not regular */
export function regexGrammar(pattern: string, options: RegexOptions): Expr {
  const compiler = new RegexCompiler(pattern, options);
  return compiler.compile();
}

/** A text's characters as they are. */
export function spellPlain(ranges: readonly CharRange[]): Expr {
  return chars(...withoutSurrogates(ranges));
}

class RegexCompiler {
  readonly #pattern: string;
  readonly #options: RegexOptions;

  constructor(pattern: string, options: RegexOptions) {
    this.#pattern = pattern;
    this.#options = options;
  }

  compile(): Expr {
    const pattern = this.#pattern;
    if (pattern.length > MAX_PATTERN) {
      throw this.#refuse(`it has ${pattern.length} characters, expected at most ${MAX_PATTERN}`);
    }
    let ast: AST.Pattern;
    try {
      ast = new RegExpParser({ ecmaVersion: 2024 }).parsePattern(pattern, 0, pattern.length, {
        unicode: true,
      });
    } catch (error) {
      throw this.#refuse(error instanceof Error ? error.message : String(error));
    }
    return alt(...ast.alternatives.map((branch) => this.#branch(branch)));
  }

  /** A branch of the whole pattern, where anchors may stand at the ends. */
  #branch({ elements }: AST.Alternative): Expr {
    const [first, last] = [elements[0], elements.at(-1)];
    const starts = first?.type === 'Assertion' && first.kind === 'start';
    const ends = last?.type === 'Assertion' && last.kind === 'end';
    const inner = elements.slice(starts ? 1 : 0, ends ? -1 : undefined).map((one) => this.#element(one));
    const rest = repeat(this.#options.spell([[0, LAST]]), 0);
    const { whole } = this.#options;
    return seq(...(starts || whole ? [] : [rest]), ...inner, ...(ends || whole ? [] : [rest]));
  }

  #alternatives(branches: readonly AST.Alternative[]): Expr {
    return alt(...branches.map(({ elements }) => seq(...elements.map((one) => this.#element(one)))));
  }

  #element(element: AST.Element): Expr {
    const { spell } = this.#options;
    switch (element.type) {
      case 'Character':
        return spell([[element.value, element.value]]);
      case 'CharacterSet':
      case 'CharacterClass':
        return spell(this.#set(element));
      case 'Group':
        if (element.modifiers) throw this.#refuse(`'${element.raw}' changes flags, which is not supported`);
        return this.#alternatives(element.alternatives);
      case 'CapturingGroup':
        return this.#alternatives(element.alternatives);
      case 'Quantifier':
        return this.#quantifier(element);
      default:
        throw this.#refuse(`'${element.raw}' is not supported at this place`);
    }
  }

  #quantifier({ min, max, element, raw }: AST.Quantifier): Expr {
    const largest = Number.isFinite(max) ? max : min;
    if (largest > MAX_REPEAT) throw this.#refuse(`'${raw}' repeats more than ${MAX_REPEAT} times`);
    return repeat(this.#element(element), min, Number.isFinite(max) ? max : undefined);
  }

  #set(
    set: AST.ClassRangesCharacterClassElement | AST.CharacterClass | AST.CharacterSet,
  ): readonly CharRange[] {
    switch (set.type) {
      case 'Character':
        return [[set.value, set.value]];
      case 'CharacterClassRange':
        return [[set.min.value, set.max.value]];
      case 'CharacterSet':
        return this.#named(set);
      case 'CharacterClass': {
        const ranges = set.elements.flatMap((one) => {
          if (one.type === 'Character' || one.type === 'CharacterClassRange' || one.type === 'CharacterSet') {
            return this.#set(one);
          }
          throw this.#refuse(`'${one.raw}' in a class is not supported`);
        });
        return set.negate ? complement(ranges) : merged(ranges);
      }
    }
  }

  #named(set: AST.CharacterSet): readonly CharRange[] {
    switch (set.kind) {
      case 'any':
        return complement(LINE_ENDS);
      case 'digit':
        return set.negate ? complement(DIGITS) : DIGITS;
      case 'space':
        return set.negate ? complement(SPACES) : SPACES;
      case 'word':
        return set.negate ? complement(WORD) : WORD;
      case 'property':
        throw this.#refuse(`'${set.raw}' is not supported; write the ranges out`);
    }
  }

  #refuse(why: string): RequestError {
    const shown = this.#pattern.length > 80 ? `${this.#pattern.slice(0, 80)}...` : this.#pattern;
    const { param } = this.#options;
    return new RequestError(
      `the pattern ${JSON.stringify(shown)} at '${param}' cannot be used: ${why}`,
      param,
    );
  }
}

/** Sorted, without overlaps. */
export function merged(ranges: readonly CharRange[]): readonly CharRange[] {
  const result: [number, number][] = [];
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = result.at(-1);
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else result.push([from, to]);
  }
  return result;
}

export function complement(ranges: readonly CharRange[]): readonly CharRange[] {
  const result: CharRange[] = [];
  let next = 0;
  for (const [from, to] of merged(ranges)) {
    if (from > next) result.push([next, from - 1]);
    next = to + 1;
  }
  if (next <= LAST) result.push([next, LAST]);
  return result;
}

export function intersection(a: readonly CharRange[], b: readonly CharRange[]): readonly CharRange[] {
  return complement([...complement(a), ...complement(b)]);
}

function withoutSurrogates(ranges: readonly CharRange[]): readonly CharRange[] {
  return intersection(ranges, [
    [0, 0xd7ff],
    [0xe000, LAST],
  ]);
}

const SHORT_ESCAPES = new Map([
  [0x08, '\\b'],
  [0x09, '\\t'],
  [0x0a, '\\n'],
  [0x0c, '\\f'],
  [0x0d, '\\r'],
  [0x22, '\\"'],
  [0x5c, '\\\\'],
]);

/** Characters as a JSON string spells them: as they are where that is allowed, else escaped, in one way. */
export function spellInJson(ranges: readonly CharRange[]): Expr {
  const plain = intersection(ranges, [
    [0x20, 0x21],
    [0x23, 0x5b],
    [0x5d, 0xd7ff],
    [0xe000, LAST],
  ]);
  const escapes = intersection(ranges, [
    [0, 0x1f],
    [0x22, 0x22],
    [0x5c, 0x5c],
  ]);
  const codes = escapes.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
  const spelt = codes.map((code) =>
    text(SHORT_ESCAPES.get(code) ?? `\\u${code.toString(16).padStart(4, '0')}`),
  );
  return alt(...(plain.length > 0 ? [chars(...plain)] : []), ...spelt);
}
