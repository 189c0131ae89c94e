/**
 * Schemas that must hold at once (`allOf`, and keywords beside `anyOf` or `$ref`), as one. Only where the keywords do
 * not meet, or meet in a way whose result is plain; anything else is refused.
 */

import { isObject, refuse, shown, type JsonObject, type SchemaPath } from './schema-keywords.ts';

/** @throws RequestError at the keyword that both have and that cannot be joined */
export function mergeSchemas(a: JsonObject, b: JsonObject, path: SchemaPath): JsonObject {
  checkClosed(a, b, path);
  const result: Record<string, unknown> = { ...a };
  for (const [key, value] of Object.entries(b)) {
    result[key] = key in a ? joined(key, a[key], value, [...path, key]) : value;
  }
  return result;
}

/** `additionalProperties` counts only the properties beside it, so it does not move into a schema with others. */
function checkClosed(a: JsonObject, b: JsonObject, path: SchemaPath): void {
  for (const [closed, other] of [
    [a, b],
    [b, a],
  ] as const) {
    if (!('additionalProperties' in closed) || closed['additionalProperties'] === true) continue;
    const own = isObject(closed['properties']) ? closed['properties'] : {};
    const names = Object.keys(isObject(other['properties']) ? other['properties'] : {});
    if (names.every((name) => Object.hasOwn(own, name))) continue;
    throw refuse(
      path,
      `'additionalProperties' beside properties of another schema that must hold too is not supported; put all properties into one schema`,
    );
  }
}

function joined(key: string, a: unknown, b: unknown, path: SchemaPath): unknown {
  if (JSON.stringify(a) === JSON.stringify(b)) return a;
  switch (key) {
    case 'title':
    case 'description':
    case 'default':
    case 'examples':
    case '$comment':
      return a;
    case 'required':
      return [...new Set([...(a as readonly unknown[]), ...(b as readonly unknown[])])];
    case 'properties':
      return joinProperties(a, b, path);
    case 'type':
      return joinTypes(a, b, path);
    case 'minimum':
    case 'exclusiveMinimum':
    case 'minLength':
    case 'minItems':
      return Math.max(Number(a), Number(b));
    case 'maximum':
    case 'exclusiveMaximum':
    case 'maxLength':
    case 'maxItems':
      return Math.min(Number(a), Number(b));
    default:
      throw refuse(path, `two schemas that must both hold have '${key}', which is not supported`);
  }
}

function joinProperties(a: unknown, b: unknown, path: SchemaPath): JsonObject {
  if (!isObject(a) || !isObject(b))
    throw refuse(path, `got ${shown(isObject(a) ? b : a)}, expected an object`);
  // A map, since a property may be called `__proto__`.
  const result = new Map(Object.entries(a));
  for (const [name, schema] of Object.entries(b)) {
    const other = result.get(name);
    if (!result.has(name) || other === true) result.set(name, schema);
    else if (isObject(other) && isObject(schema)) {
      result.set(name, mergeSchemas(other, schema, [...path, name]));
    } else if (schema !== true) throw refuse([...path, name], 'two schemas for it must both hold');
  }
  return Object.fromEntries(result);
}

function joinTypes(a: unknown, b: unknown, path: SchemaPath): unknown {
  const [left, right] = [a, b].map((value) => (Array.isArray(value) ? (value as unknown[]) : [value]));
  const common = left!.filter(
    (type) => right!.includes(type) || (type === 'integer' && right!.includes('number')),
  );
  if (left!.includes('number') && right!.includes('integer')) common.push('integer');
  if (common.length === 0) throw refuse(path, 'two schemas that must both hold have no type in common');
  return common;
}
