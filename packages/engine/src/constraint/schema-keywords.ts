/**
 * Which keywords of JSON Schema mean what here. Everything else is refused by its path: a keyword that is ignored would
 * let through what the schema forbids.
 */

import { RequestError } from '@steelyard/core';

export type JsonObject = Readonly<Record<string, unknown>>;
export type SchemaPath = readonly (string | number)[];
export type TypeName = 'null' | 'boolean' | 'integer' | 'number' | 'string' | 'array' | 'object';

/** They say something to people and forbid nothing. */
const annotations = [
  ...['$schema', '$id', '$comment', '$anchor', '$defs', 'definitions', 'title', 'description', 'default'],
  ...['examples', 'deprecated', 'readOnly', 'writeOnly', 'discriminator', 'contentMediaType'],
];

const byType: Readonly<Record<TypeName, readonly string[]>> = {
  null: [],
  boolean: [],
  integer: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  array: ['items', 'prefixItems', 'minItems', 'maxItems', 'uniqueItems'],
  object: ['properties', 'required', 'additionalProperties', 'minProperties', 'maxProperties'],
};

export const TYPES = Object.keys(byType) as readonly TypeName[];

const applicators = ['type', 'enum', 'const', '$ref', 'anyOf', 'oneOf', 'allOf'];
const known = new Set([...annotations, ...applicators, ...Object.values(byType).flat()]);
const annotation = new Set(annotations);

/** Keywords that restrict what is valid, in the order of the schema. */
export function assertions(schema: JsonObject): string[] {
  return Object.keys(schema).filter((key) => !isAnnotation(key));
}

function isAnnotation(key: string): boolean {
  return annotation.has(key) || key.startsWith('x-');
}

/** @throws RequestError naming the first keyword that cannot be honoured */
export function checkKeywords(schema: JsonObject, path: SchemaPath): void {
  for (const key of Object.keys(schema)) {
    if (known.has(key) || isAnnotation(key)) continue;
    throw refuse([...path, key], `the keyword '${key}' is not supported`);
  }
}

/** Types that a schema leaves possible: those named, or those that its keywords are about, or all. */
export function typesOf(schema: JsonObject, path: SchemaPath): readonly TypeName[] {
  const { type } = schema;
  if (type === undefined) {
    const all = TYPES.filter((name) => name !== 'integer');
    const meant = all.filter((name) => byType[name].some((key) => Object.hasOwn(schema, key)));
    return meant.length > 0 ? meant : all;
  }
  const names: readonly unknown[] = Array.isArray(type) ? type : [type];
  for (const name of names) {
    if (!TYPES.includes(name as TypeName)) {
      throw refuse([...path, 'type'], `got ${shown(name)}, expected one of ${TYPES.join(', ')}`);
    }
  }
  if (names.length === 0) throw refuse([...path, 'type'], 'the list is empty');
  const unique = [...new Set(names as readonly TypeName[])];
  return unique.includes('number') ? unique.filter((name) => name !== 'integer') : unique;
}

export function refuse(path: SchemaPath, why: string): RequestError {
  const at = pathText(path);
  return new RequestError(`invalid JSON Schema at '${at}': ${why}`, at);
}

/** `properties.name.anyOf[0]`; of the whole schema, nothing. */
export function pathText(path: SchemaPath): string {
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : i === 0 ? key : `.${key}`)).join('');
}

export function shown(value: unknown): string {
  const json = JSON.stringify(value) ?? String(value);
  return json.length > 60 ? `${json.slice(0, 60)}...` : json;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A keyword's value as an object. */
export function objectAt(value: unknown, path: SchemaPath): JsonObject {
  if (isObject(value)) return value;
  throw refuse(path, `got ${shown(value)}, expected an object`);
}

/** A keyword's value as an array that is not empty. */
export function listAt(value: unknown, path: SchemaPath): readonly unknown[] {
  if (Array.isArray(value) && value.length > 0) return value;
  throw refuse(path, `got ${shown(value)}, expected a list with entries`);
}

/** A keyword's value as a count from 0 to `limit`. */
export function countAt(value: unknown, path: SchemaPath, limit: number): number | undefined {
  if (value === undefined) return undefined;
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= limit) return value as number;
  throw refuse(path, `got ${shown(value)}, expected an integer from 0 to ${limit}`);
}
