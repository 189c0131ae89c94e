/**
 * A JSON Schema (draft 2020-12, the part that a grammar can hold) as a grammar of JSON texts. Every text of the grammar
 * is valid under the schema; not every valid text is in it: properties come in the schema's order, white space is
 * little, numbers have the digits that a double holds. What cannot be held exactly is refused with its path.
 */

import { alt, NOTHING, seq, text, type Expr, type Grammar, Rules } from './grammar.ts';
import { anyArray, anyInteger, anyNumber, anyValue, comma, enclosed, list } from './json-text.ts';
import { numberRange, type NumberBounds } from './number-range.ts';
import { MAX_REPEAT } from './regex.ts';
import {
  assertions,
  checkKeywords,
  countAt,
  isObject,
  listAt,
  refuse,
  shown,
  typesOf,
  type JsonObject,
  type SchemaPath,
  type TypeName,
} from './schema-keywords.ts';
import { mergeSchemas } from './schema-merge.ts';
import { multipleGrammar } from './schema-multiple.ts';
import { objectGrammar } from './schema-object.ts';
import { disjoint } from './schema-disjoint.ts';
import { stringGrammar } from './schema-text.ts';

const MAX_DEPTH = 64;
const MAX_SCHEMAS = 5000;
const NUMBER_KEYS = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'] as const;

/** @throws RequestError whose `param` is the path of the keyword at fault within the schema */
export function schemaGrammar(schema: unknown): Grammar {
  const rules = new Rules();
  const root = new SchemaCompiler(schema, rules).compile(schema, []);
  return { root, rules };
}

class SchemaCompiler {
  readonly #root: unknown;
  readonly #rules: Rules;
  /** References that are being followed without any character between. */
  readonly #following: string[] = [];
  #seen = 0;

  constructor(root: unknown, rules: Rules) {
    this.#root = root;
    this.#rules = rules;
  }

  readonly compile = (schema: unknown, path: SchemaPath): Expr => {
    if (++this.#seen > MAX_SCHEMAS) throw refuse(path, `more than ${MAX_SCHEMAS} schemas in one`);
    if (path.length > MAX_DEPTH) throw refuse(path, `nested deeper than ${MAX_DEPTH}`);
    if (schema === true) return anyValue(this.#rules);
    if (schema === false) return NOTHING;
    if (!isObject(schema)) throw refuse(path, `got ${shown(schema)}, expected a schema`);
    checkKeywords(schema, path);
    if ('$ref' in schema) return this.#reference(schema, path);
    if ('allOf' in schema) return this.#all(schema, path);
    if ('anyOf' in schema || 'oneOf' in schema) return this.#any(schema, path);
    if ('const' in schema || 'enum' in schema) return this.#values(schema, path);
    return alt(...typesOf(schema, path).map((type) => this.#typed(type, schema, path)));
  };

  /** What stands inside something with characters of its own, so that references may come round. */
  readonly #inside = (schema: unknown, path: SchemaPath): Expr => {
    const outer = this.#following.splice(0);
    const expr = this.compile(schema, path);
    this.#following.push(...outer);
    return expr;
  };

  #typed(type: TypeName, schema: JsonObject, path: SchemaPath): Expr {
    switch (type) {
      case 'null':
        return text('null');
      case 'boolean':
        return alt(text('true'), text('false'));
      case 'integer':
      case 'number':
        return this.#number(schema, path, type === 'integer');
      case 'string':
        return stringGrammar(schema, path, this.#rules);
      case 'array':
        return this.#array(schema, path);
      case 'object':
        return objectGrammar(schema, path, this.#rules, this.#inside);
    }
  }

  #number(schema: JsonObject, path: SchemaPath, integer: boolean): Expr {
    const { multipleOf } = schema;
    const bounds: Partial<Record<(typeof NUMBER_KEYS)[number], number>> = {};
    for (const key of NUMBER_KEYS) {
      const value = schema[key];
      if (value === undefined) continue;
      if (typeof value !== 'number' || Math.abs(value) > Number.MAX_SAFE_INTEGER) {
        throw refuse([...path, key], `got ${shown(value)}, expected a number that a double holds exactly`);
      }
      bounds[key] = value;
    }
    if (multipleOf !== undefined && !(integer && multipleOf === 1)) {
      const at = [...path, 'multipleOf'];
      return multipleGrammar(multipleOf, { bounds, integer }, this.#rules, at);
    }
    if (Object.keys(bounds).length > 0) return numberRange(bounds satisfies NumberBounds, integer);
    return integer ? anyInteger(this.#rules) : anyNumber(this.#rules);
  }

  #array(schema: JsonObject, path: SchemaPath): Expr {
    const { uniqueItems, items = true, prefixItems } = schema;
    const min = countAt(schema['minItems'], [...path, 'minItems'], MAX_REPEAT) ?? 0;
    const max = countAt(schema['maxItems'], [...path, 'maxItems'], MAX_REPEAT);
    if (uniqueItems !== undefined && uniqueItems !== false && max !== 0 && max !== 1) {
      throw refuse([...path, 'uniqueItems'], `'uniqueItems' is not supported`);
    }
    if (max !== undefined && min > max)
      throw refuse([...path, 'minItems'], `${min} is above 'maxItems', ${max}`);
    if (prefixItems === undefined && items === true && min === 0 && max === undefined) {
      return anyArray(this.#rules);
    }
    const prefix = prefixItems === undefined ? [] : listAt(prefixItems, [...path, 'prefixItems']);
    const first = prefix.map((item, i) => this.#inside(item, [...path, 'prefixItems', i]));
    const other =
      max !== undefined && max <= prefix.length ? NOTHING : this.#inside(items, [...path, 'items']);
    return enclosed(this.#rules, '[', this.#tuple(first, other, min, max), ']');
  }

  /** The first items each by its own grammar, the others by one. */
  #tuple(first: readonly Expr[], other: Expr, min: number, max: number | undefined): Expr {
    const before = comma(this.#rules);
    if (first.length === 0) return list(this.#rules, other, min, max);
    const count = Math.min(first.length, max ?? Infinity);
    const othersMin = Math.max(0, min - first.length);
    const othersMax = max === undefined ? undefined : Math.max(0, max - first.length);
    let rest: Expr =
      othersMax === 0 ? seq() : { kind: 'repeat', item: seq(before, other), min: othersMin, max: othersMax };
    for (let i = count - 1; i >= 0; i--) {
      const item = seq(...(i > 0 ? [before] : []), first[i]!, rest);
      rest = i < min ? item : alt(item, seq());
    }
    return rest;
  }

  #values(schema: JsonObject, path: SchemaPath): Expr {
    const others = assertions(schema).filter((key) => !['const', 'enum', 'type'].includes(key));
    if (others[0] !== undefined) {
      throw refuse(
        [...path, others[0]],
        `'${others[0]}' beside 'enum' or 'const' is not supported; leave it out`,
      );
    }
    let values = 'enum' in schema ? listAt(schema['enum'], [...path, 'enum']) : [schema['const']];
    if ('const' in schema) {
      const wanted = JSON.stringify(schema['const']);
      values = values.filter((value) => JSON.stringify(value) === wanted);
    }
    const types = 'type' in schema ? typesOf(schema, path) : undefined;
    const kept = values.filter((value) => !types || types.some((type) => isOfType(value, type)));
    return alt(...[...new Set(kept.map((value) => JSON.stringify(value)))].map(text));
  }

  #any(schema: JsonObject, path: SchemaPath): Expr {
    const { anyOf, oneOf, ...base } = schema;
    if (anyOf !== undefined && oneOf !== undefined) {
      throw refuse([...path, 'oneOf'], `'oneOf' beside 'anyOf' is not supported`);
    }
    const key = anyOf === undefined ? 'oneOf' : 'anyOf';
    const branches = listAt(schema[key], [...path, key]);
    const hasBase = assertions(base).length > 0;
    const whole = branches.map((branch, i) => {
      const at = [...path, key, i];
      if (!hasBase || branch === false) return branch;
      if (branch === true) return base;
      if (!isObject(branch)) throw refuse(at, `got ${shown(branch)}, expected a schema`);
      return mergeSchemas(this.#resolved(branch, at), base, at);
    });
    if (key === 'oneOf') {
      const plain = whole.map((branch, i) =>
        isObject(branch) ? this.#resolved(branch, [...path, key, i]) : branch,
      );
      if (!disjoint(plain)) {
        throw refuse(
          [...path, key],
          `'oneOf' is supported where no value fits two branches, by type or by a required constant; use 'anyOf'`,
        );
      }
    }
    return alt(...whole.map((branch, i) => this.compile(branch, [...path, key, i])));
  }

  #all(schema: JsonObject, path: SchemaPath): Expr {
    const { allOf, ...base } = schema;
    let whole: JsonObject = base;
    for (const [i, one] of listAt(allOf, [...path, 'allOf']).entries()) {
      const at = [...path, 'allOf', i];
      if (one === true) continue;
      if (one === false) return NOTHING;
      if (!isObject(one)) throw refuse(at, `got ${shown(one)}, expected a schema`);
      checkKeywords(one, at);
      whole = mergeSchemas(whole, this.#resolved(one, at), at);
    }
    return this.compile(whole, path);
  }

  #reference(schema: JsonObject, path: SchemaPath): Expr {
    const others = assertions(schema).filter((key) => key !== '$ref');
    const at = [...path, '$ref'];
    if (others.length > 0) {
      const { $ref, ...base } = schema;
      const merged = mergeSchemas(this.#resolved({ $ref }, path), base, path);
      return this.compile(merged, path);
    }
    const pointer = this.#pointer(schema['$ref'], at);
    const target = this.#find(pointer, at);
    if (this.#following.includes(pointer)) throw refuse(at, 'the reference leads back to itself');
    this.#following.push(pointer);
    const expr = this.#rules.of(`ref ${pointer}`, () => this.compile(target, at));
    this.#following.pop();
    return expr;
  }

  /** The schema itself, or what its `$ref` leads to where it has nothing else. */
  #resolved(schema: JsonObject, path: SchemaPath, steps = 0): JsonObject {
    if (!('$ref' in schema)) return schema;
    const at = [...path, '$ref'];
    if (steps > MAX_DEPTH) throw refuse(at, 'the reference leads back to itself');
    const target = this.#find(this.#pointer(schema['$ref'], at), at);
    if (!isObject(target)) throw refuse(at, 'the reference does not lead to an object');
    const { $ref: _, ...base } = schema;
    const inner = this.#resolved(target, at, steps + 1);
    return assertions(base).length > 0 ? mergeSchemas(inner, base, path) : inner;
  }

  #pointer(value: unknown, path: SchemaPath): string {
    if (typeof value === 'string' && (value === '#' || value.startsWith('#/'))) return value;
    throw refuse(path, `got ${shown(value)}, expected a reference within the schema, as '#/$defs/name'`);
  }

  #find(pointer: string, path: SchemaPath): unknown {
    let found: unknown = this.#root;
    for (const part of pointer.split('/').slice(1)) {
      const key = decoded(part).replaceAll('~1', '/').replaceAll('~0', '~');
      const inside = typeof found === 'object' && found !== null && Object.hasOwn(found, key);
      if (!inside) throw refuse(path, `${shown(pointer)} leads nowhere: there is no ${shown(key)}`);
      found = (found as Record<string, unknown>)[key];
    }
    return found;
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function isOfType(value: unknown, type: TypeName): boolean {
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'array') return Array.isArray(value);
  if (type === 'null') return value === null;
  if (type === 'object') return isObject(value);
  return typeof value === type;
}
