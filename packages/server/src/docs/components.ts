/** Schemas of an OpenAPI document by name: each is written once, and found again wherever it stands inside another. */

import type { JsonSchema } from './json-schema.ts';

const PREFIX = '#/components/schemas/';

/** Names schemas, then gives them with references between them. */
export class Components {
  /** By the schema's own text. */
  readonly #names = new Map<string, string>();
  readonly #taken = new Set<string>();

  /** @returns a reference to the schema; `name` is not used where the same schema has one already */
  add(schema: JsonSchema, name: string): JsonSchema {
    const text = JSON.stringify(schema);
    const known = this.#names.get(text);
    if (known !== undefined) return { $ref: PREFIX + known };
    let free = name;
    for (let i = 2; this.#taken.has(free); i++) free = `${name}${i}`;
    this.#taken.add(free);
    this.#names.set(text, free);
    return { $ref: PREFIX + free };
  }

  schemas(): Record<string, JsonSchema> {
    const entries = [...this.#names].map(([text, name]): [string, JsonSchema] => {
      const schema = JSON.parse(text) as JsonSchema;
      return [name, mapParts(schema, (part) => this.#linked(part))];
    });
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  #linked(part: JsonSchema): JsonSchema {
    const name = this.#names.get(JSON.stringify(part));
    return name === undefined ? mapParts(part, (inner) => this.#linked(inner)) : { $ref: PREFIX + name };
  }
}

/** The schema that a reference names, else the schema itself. */
export function resolve(schema: JsonSchema, schemas: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return schema.$ref === undefined ? schema : (schemas[refName(schema.$ref)] ?? schema);
}

export function refName(ref: string): string {
  return ref.slice(PREFIX.length);
}

function mapParts(schema: JsonSchema, map: (part: JsonSchema) => JsonSchema): JsonSchema {
  const mapped = { ...schema };
  if (schema.properties) {
    const entries = Object.entries(schema.properties).map(([name, part]) => [name, map(part)] as const);
    mapped.properties = Object.fromEntries(entries);
  }
  if (schema.items) mapped.items = map(schema.items);
  if (typeof schema.additionalProperties === 'object')
    mapped.additionalProperties = map(schema.additionalProperties);
  for (const key of ['anyOf', 'oneOf', 'allOf'] as const) {
    if (schema[key]) mapped[key] = schema[key].map(map);
  }
  return mapped;
}
