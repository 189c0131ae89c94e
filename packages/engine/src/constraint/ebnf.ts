/**
 * Grammars as callers write them, in the EBNF of xgrammar and llama.cpp: `name ::= ...`, one of them `root`. They are
 * read here and written anew, for xgrammar itself is ended for good by some texts (nested too deeply), and a rule
 * that begins with itself has it try without end. Look-ahead and other extensions are refused.
 */

import { RequestError } from '@steelyard/core';
import { EbnfReader } from './ebnf-reader.ts';
import { Rules, type Expr, type Grammar } from './grammar.ts';

const MAX_RULES = 500;
const MAX_TEXT = 200_000;

/** @throws RequestError with `param` that says where it cannot be read, or which rule cannot be followed */
export function ebnfGrammar(source: string, param: string): Grammar {
  const refuse = (why: string) => new RequestError(`the grammar at '${param}' cannot be used: ${why}`, param);
  if (source.length > MAX_TEXT) {
    throw refuse(`it has ${source.length} characters, expected at most ${MAX_TEXT}`);
  }
  const bodies = new Map<string, Expr>();
  for (const { name, body, line } of new EbnfReader(source, refuse).rules()) {
    if (bodies.has(name)) throw refuse(`line ${line} defines '${name}' once more; join both with '|'`);
    if (bodies.size === MAX_RULES) throw refuse(`it has more than ${MAX_RULES} rules`);
    bodies.set(name, body);
  }
  if (!bodies.has('root')) throw refuse("it has no rule 'root', which is where it starts");
  checkNames(bodies, refuse);
  checkRecursion(bodies, refuse);
  const rules = new Rules();
  const convert = (expr: Expr): Expr => {
    switch (expr.kind) {
      case 'rule':
        return rules.of(expr.name, () => convert(bodies.get(expr.name)!));
      case 'seq':
      case 'alt':
        return { kind: expr.kind, items: expr.items.map(convert) };
      case 'repeat':
        return { ...expr, item: convert(expr.item) };
      default:
        return expr;
    }
  };
  return { root: convert({ kind: 'rule', name: 'root' }), rules };
}

type Refuse = (why: string) => RequestError;
type Bodies = ReadonlyMap<string, Expr>;

function checkNames(bodies: Bodies, refuse: Refuse): void {
  for (const [name, body] of bodies) {
    const unknown = namesIn(body).find((used) => !bodies.has(used));
    if (unknown !== undefined) throw refuse(`'${name}' names the rule '${unknown}', which is not there`);
  }
}

function namesIn(expr: Expr): string[] {
  if (expr.kind === 'rule') return [expr.name];
  if (expr.kind === 'repeat') return namesIn(expr.item);
  return expr.kind === 'seq' || expr.kind === 'alt' ? expr.items.flatMap(namesIn) : [];
}

/** A rule may come round only behind a character. */
function checkRecursion(bodies: Bodies, refuse: Refuse): void {
  const empty = emptyRules(bodies);
  const done = new Set<string>();
  const follow = (name: string, above: readonly string[]): void => {
    if (above.includes(name)) {
      const round = [...above.slice(above.indexOf(name)), name].map((one) => `'${one}'`).join(' -> ');
      throw refuse(`a rule begins with itself (${round}); put what repeats behind it, or use '*'`);
    }
    if (done.has(name)) return;
    for (const next of beginnings(bodies.get(name)!, empty)) follow(next, [...above, name]);
    done.add(name);
  };
  for (const name of bodies.keys()) follow(name, []);
}

/** Rules that match nothing at all, too. */
function emptyRules(bodies: Bodies): ReadonlySet<string> {
  const empty = new Set<string>();
  for (let before = -1; before !== empty.size;) {
    before = empty.size;
    for (const [name, body] of bodies) if (isEmpty(body, empty)) empty.add(name);
  }
  return empty;
}

function isEmpty(expr: Expr, empty: ReadonlySet<string>): boolean {
  switch (expr.kind) {
    case 'text':
      return expr.text === '';
    case 'chars':
      return false;
    case 'seq':
      return expr.items.every((item) => isEmpty(item, empty));
    case 'alt':
      return expr.items.some((item) => isEmpty(item, empty));
    case 'repeat':
      return expr.min === 0 || isEmpty(expr.item, empty);
    case 'rule':
      return empty.has(expr.name);
  }
}

/** Rules that may stand before any character. */
function beginnings(expr: Expr, empty: ReadonlySet<string>): string[] {
  switch (expr.kind) {
    case 'seq': {
      const first = expr.items.findIndex((item) => !isEmpty(item, empty));
      const reached = first < 0 ? expr.items : expr.items.slice(0, first + 1);
      return reached.flatMap((item) => beginnings(item, empty));
    }
    case 'alt':
      return expr.items.flatMap((item) => beginnings(item, empty));
    case 'repeat':
      return beginnings(expr.item, empty);
    case 'rule':
      return [expr.name];
    default:
      return [];
  }
}
