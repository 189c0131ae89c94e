/** Values that mostly fit a JSON Schema, for bodies of requests: every field now and then holds something else. */

import type { JsonSchema, OpenApiDocument } from '@steelyard/server/docs';
import fc from 'fast-check';

/** How deep recursive and open schemas are followed. */
const DEPTH = 6;

/** What no field expects, and what parsers trip over. */
export const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    -1,
    1.5,
    1e308,
    -0,
    2 ** 53,
    '',
    'auto',
    [],
    {},
    [[]],
    [null],
  ),
  fc.constantFrom<unknown>('\ud800', '\u0000', '__proto__', 'x'.repeat(3000), '../../etc/passwd'),
  fc.jsonValue({ maxDepth: 3 }),
  fc.string(),
);

export interface Hints {
  /** Values for fields that must name something which exists. */
  readonly names: Readonly<Record<string, fc.Arbitrary<unknown>>>;
  readonly schemas: OpenApiDocument['components']['schemas'];
}

export function fitting(schema: JsonSchema, hints: Hints, depth = DEPTH): fc.Arbitrary<unknown> {
  const fits = exact(schema, hints, depth);
  return fc.oneof({ weight: 60, arbitrary: fits }, { weight: 1, arbitrary: odd });
}

function exact(schema: JsonSchema, hints: Hints, depth: number): fc.Arbitrary<unknown> {
  if (schema.$ref !== undefined) {
    const target = hints.schemas[schema.$ref.split('/').at(-1)!];
    if (!target) throw new Error(`${schema.$ref} is not in the document`);
    return exact(target, hints, depth);
  }
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const kinds = schema.anyOf ?? schema.oneOf;
  if (kinds) return fc.oneof(...kinds.map((kind) => exact(kind, hints, depth)));
  switch (schema.type) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return integer(schema);
    case 'number':
      return number(schema);
    case 'string':
      return string(schema);
    case 'array':
      return list(schema, hints, depth);
    case 'object':
      return object(schema, hints, depth);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function integer({ minimum = -10, maximum = Math.max(minimum, 0) + 20 }: JsonSchema): fc.Arbitrary<number> {
  // Small: a request asks for a handful of tokens or choices.
  return fc.integer({ min: minimum, max: Math.min(maximum, minimum + 30) });
}

function number({ minimum, exclusiveMinimum, maximum = 10 }: JsonSchema): fc.Arbitrary<number> {
  const min = minimum ?? (exclusiveMinimum === undefined ? -10 : exclusiveMinimum + 0.1);
  return fc.double({ min, max: Math.max(min, maximum), noNaN: true });
}

function string({ pattern, minLength = 0, maxLength = 30 }: JsonSchema): fc.Arbitrary<string> {
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern, 'u'));
  return fc.string({ unit: 'binary', minLength, maxLength: Math.max(minLength, Math.min(maxLength, 30)) });
}

function list(schema: JsonSchema, hints: Hints, depth: number): fc.Arbitrary<unknown> {
  const { items = {}, minItems = 0, maxItems = 4 } = schema;
  if (depth === 0) return fc.constant([]);
  return fc.array(fitting(items, hints, depth - 1), {
    minLength: minItems,
    maxLength: Math.max(minItems, Math.min(maxItems, 4)),
  });
}

/** Of fields that need not be there a few are: each alone may be refused, and all together always are. */
function object(schema: JsonSchema, hints: Hints, depth: number): fc.Arbitrary<unknown> {
  const { properties = {}, required = [], additionalProperties } = schema;
  if (depth === 0) return fc.constant({});
  const absent = Math.max(1, Math.ceil((Object.keys(properties).length - required.length) / 2));
  const fields = Object.entries(properties).map(([name, part]) => {
    const value = hints.names[name] ?? fitting(part, hints, depth - 1);
    const weight = required.includes(name) ? 60 : 1;
    const present = fc.oneof({ weight, arbitrary: value }, { weight: 1, arbitrary: fc.constant(undefined) });
    const arbitrary = required.includes(name)
      ? present
      : fc.oneof({ weight: absent, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: present });
    return [name, arbitrary] as const;
  });
  const known = fc.record(Object.fromEntries(fields));
  if (typeof additionalProperties !== 'object') return known;
  const more = fc.dictionary(fc.string(), fitting(additionalProperties, hints, depth - 1), { maxKeys: 3 });
  return fc.tuple(known, more).map(([one, other]) => ({ ...other, ...(one as object) }));
}
