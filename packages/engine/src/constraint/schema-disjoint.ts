/** Whether no value fits two of several schemas, which `oneOf` needs: by their types, or by a constant they require. */

import { isObject, typesOf, type JsonObject } from './schema-keywords.ts';

/** False when it is not plain that they are. */
export function disjoint(schemas: readonly unknown[]): boolean {
  return schemas.every((a, i) => schemas.slice(i + 1).every((b) => arePairDisjoint(a, b)));
}

function arePairDisjoint(a: unknown, b: unknown): boolean {
  if (a === false || b === false) return true;
  if (!isObject(a) || !isObject(b)) return false;
  const [values, others] = [valuesOf(a), valuesOf(b)];
  if (values && others) return !values.some((value) => others.includes(value));
  if (!sharesType(a, b)) return true;
  return onlyObjects(a) && onlyObjects(b) && differsByConstant(a, b);
}

/** JSON texts of the values that a schema lists. */
function valuesOf(schema: JsonObject): readonly string[] | undefined {
  if ('const' in schema) return [JSON.stringify(schema['const'])];
  const { enum: list } = schema;
  return Array.isArray(list) ? list.map((value) => JSON.stringify(value)) : undefined;
}

/** True unless both name their types and have none in common. */
function sharesType(a: JsonObject, b: JsonObject): boolean {
  if (!('type' in a) || !('type' in b)) return true;
  const others = typesOf(b, []);
  return typesOf(a, []).some(
    (type) =>
      others.includes(type) ||
      (type === 'integer' && others.includes('number')) ||
      (type === 'number' && others.includes('integer')),
  );
}

function onlyObjects({ type }: JsonObject): boolean {
  return type === 'object';
}

function differsByConstant(a: JsonObject, b: JsonObject): boolean {
  const [left, right] = [a['properties'], b['properties']];
  if (!isObject(left) || !isObject(right)) return false;
  return requiredOf(a)
    .filter((name) => requiredOf(b).includes(name))
    .some((name) => {
      const [one, other] = [left[name], right[name]];
      const values = isObject(one) ? valuesOf(one) : undefined;
      const others = isObject(other) ? valuesOf(other) : undefined;
      return values !== undefined && others !== undefined && !values.some((value) => others.includes(value));
    });
}

function requiredOf({ required }: JsonObject): readonly string[] {
  return Array.isArray(required) ? required.filter((name) => typeof name === 'string') : [];
}
