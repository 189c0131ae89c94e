/** Objects under a schema: named properties in the schema's order, then others where the schema says so. */

import { alt, chars, NOTHING, repeat, seq, text, type CharRange, type Expr, type Rules } from './grammar.ts';
import { anyObject, anyString, comma, enclosed, gap, list, PLAIN } from './json-text.ts';
import { complement, intersection } from './regex.ts';
import { countAt, objectAt, refuse, shown, type JsonObject, type SchemaPath } from './schema-keywords.ts';

/** The grammar of a schema at a place below this one. */
export type Compile = (schema: unknown, path: SchemaPath) => Expr;

const MAX_PROPERTIES = 1000;

interface Member {
  readonly expr: Expr;
  readonly required: boolean;
}

export function objectGrammar(schema: JsonObject, path: SchemaPath, rules: Rules, compile: Compile): Expr {
  const properties = objectAt(schema['properties'] ?? {}, [...path, 'properties']);
  const required = requiredOf(schema, path);
  const extra = schema['additionalProperties'];
  const names = [...new Set([...Object.keys(properties), ...required])];
  const counts = countsOf(schema, path, names.length);
  if (names.length > MAX_PROPERTIES) {
    throw refuse([...path, 'properties'], `${names.length} properties, expected at most ${MAX_PROPERTIES}`);
  }
  if (names.length === 0 && !counts && (extra === undefined || extra === true)) return anyObject(rules);
  if (names.includes('__proto__')) {
    throw refuse(
      [...path, 'properties', '__proto__'],
      'JavaScript readers lose a property of this name; rename it',
    );
  }
  const members = names.map((name): Member => {
    const own = Object.hasOwn(properties, name);
    const value = own
      ? compile(properties[name], [...path, 'properties', name])
      : undeclared(name, extra, path, compile);
    return { expr: member(text(JSON.stringify(name)), value, rules), required: required.has(name) };
  });
  // Named properties alone, where nothing is said of others: what a schema's author means, if not its letter.
  const closed = extra === false || (extra === undefined && names.length > 0);
  const others = closed
    ? undefined
    : member(otherName(names, rules), compile(extra ?? true, [...path, 'additionalProperties']), rules);
  if (names.length === 0) {
    const inner = others ? list(rules, others, counts?.min ?? 0, counts?.max) : seq();
    return enclosed(rules, '{', inner, '}');
  }
  return enclosed(rules, '{', joined(members, others, rules), '}');
}

function undeclared(name: string, extra: unknown, path: SchemaPath, compile: Compile): Expr {
  if (extra === false) {
    throw refuse(
      [...path, 'required'],
      `${shown(name)} is required, but not in 'properties', and no other is allowed`,
    );
  }
  return compile(extra ?? true, [...path, 'additionalProperties']);
}

function requiredOf(schema: JsonObject, path: SchemaPath): ReadonlySet<string> {
  const { required = [] } = schema;
  if (Array.isArray(required) && required.every((name) => typeof name === 'string')) return new Set(required);
  throw refuse([...path, 'required'], `got ${shown(required)}, expected a list of names`);
}

/** Numbers of properties are counted only where all are alike. */
function countsOf(
  schema: JsonObject,
  path: SchemaPath,
  named: number,
): { min: number; max: number | undefined } | undefined {
  const min = countAt(schema['minProperties'], [...path, 'minProperties'], MAX_PROPERTIES);
  const max = countAt(schema['maxProperties'], [...path, 'maxProperties'], MAX_PROPERTIES);
  if (min === undefined && max === undefined) return undefined;
  const key = min === undefined ? 'maxProperties' : 'minProperties';
  if (named > 0) throw refuse([...path, key], `'${key}' beside named properties is not supported`);
  // One name may come twice, which makes one property: more than one cannot be promised.
  if ((min ?? 0) > 1) throw refuse([...path, 'minProperties'], `got ${min}, expected at most 1`);
  if (max !== undefined && (min ?? 0) > max)
    throw refuse([...path, 'maxProperties'], `below 'minProperties'`);
  return { min: min ?? 0, max };
}

function member(name: Expr, value: Expr, rules: Rules): Expr {
  return seq(name, text(':'), gap(rules), value);
}

/** What may stand between the braces; each optional member is there or not, so the text grows with their number only. */
function joined(members: readonly Member[], others: Expr | undefined, rules: Rules): Expr {
  const before = comma(rules);
  // After at least one member, and before any.
  let following: Expr = others ? repeat(seq(before, others), 0) : seq();
  let starting: Expr = others ? list(rules, others, 0, undefined) : seq();
  for (const { expr, required } of [...members].reverse()) {
    const [rest, none] = [rules.share(following), starting];
    const taken = seq(expr, rest);
    starting = rules.share(required ? taken : alt(taken, none));
    following = required ? seq(before, taken) : alt(seq(before, taken), rest);
  }
  return starting;
}

/** A name in quotes, without escapes, that is none of those given: property names must not come twice. */
function otherName(names: readonly string[], rules: Rules): Expr {
  if (names.length === 0) return anyString(rules);
  // A name that needs escapes cannot come up again without them.
  const plain = names.filter((name) => JSON.stringify(name) === `"${name}"`);
  const inner = differing(
    plain.map((name) => [...name]),
    0,
  );
  return seq(text('"'), inner, text('"'));
}

/** Texts of plain characters that are none of `names`, which agree in their first `at` characters. */
function differing(names: readonly (readonly string[])[], at: number): Expr {
  const next = new Map<string, (readonly string[])[]>();
  for (const name of names) {
    const char = name[at];
    if (char !== undefined) next.set(char, [...(next.get(char) ?? []), name]);
  }
  const taken = [...next.keys()].map((char): CharRange => [char.codePointAt(0)!, char.codePointAt(0)!]);
  const free = chars(...intersection(PLAIN, complement(taken)));
  const branches = [...next].map(([char, of]) => seq(text(char), differing(of, at + 1)));
  const ends = names.some((name) => name.length === at) ? NOTHING : seq();
  return alt(ends, seq(free, repeat(chars(...PLAIN), 0)), ...branches);
}
