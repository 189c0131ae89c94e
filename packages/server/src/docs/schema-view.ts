/** A JSON Schema as HTML: a list of fields, what lies deeper folded away. */

import { html, raw } from 'hono/html';
import type { HtmlEscapedString } from 'hono/utils/html';
import { refName, resolve } from './components.ts';
import type { JsonSchema } from './json-schema.ts';

export type Html = HtmlEscapedString | Promise<HtmlEscapedString>;
type Schemas = Readonly<Record<string, JsonSchema>>;

/** Fields of an object; of a union, those of each of its kinds. `seen` are references being shown further out. */
export function fieldList(schema: JsonSchema, schemas: Schemas, seen: ReadonlySet<string> = new Set()): Html {
  if (schema.$ref !== undefined) {
    if (seen.has(schema.$ref)) return html`<p class="quiet">As ${refName(schema.$ref)} above.</p>`;
    return fieldList(resolve(schema, schemas), schemas, new Set([...seen, schema.$ref]));
  }
  const kinds = kindsOf(schema);
  if (kinds.length > 1) {
    return html`${kinds.map(
      (kind) =>
        html`<details>
          <summary>${kindName(kind, schemas)}</summary>
          ${fieldList(kind, schemas, seen)}
        </details>`,
    )}`;
  }
  const [only] = kinds;
  if (only && only !== schema) return fieldList(only, schemas, seen);
  const properties = Object.entries(schema.properties ?? {});
  if (properties.length === 0) return html`<p class="quiet">${typeText(schema, schemas)}</p>`;
  const required = new Set(schema.required);
  return html`<dl>
    ${properties.map(([name, part]) => field(name, part, required.has(name), schemas, seen))}
  </dl>`;
}

function field(
  name: string,
  part: JsonSchema,
  required: boolean,
  schemas: Schemas,
  seen: ReadonlySet<string>,
): Html {
  const inner = innerObject(part, schemas);
  return html`<dt>
      <code>${name}</code>
      <span class="quiet">${typeText(part, schemas)}${required ? ', required' : ''}</span>
    </dt>
    <dd>
      ${part.description === undefined ? '' : html`<p>${part.description}</p>`}
      ${
        inner
          ? html`<details>
              <summary>Fields</summary>
              ${fieldList(inner, schemas, seen)}
            </details>`
          : ''
      }
    </dd>`;
}

/** What a field holds, or holds a list of, where that has fields of its own. */
function innerObject(part: JsonSchema, schemas: Schemas): JsonSchema | undefined {
  const target = resolve(part, schemas);
  const kinds = kindsOf(target);
  if (kinds.length === 1 && kinds[0] !== target) return innerObject(kinds[0]!, schemas);
  if (target.type === 'array' && target.items) return innerObject(target.items, schemas);
  if (kinds.length > 1) return kinds.some((kind) => innerObject(kind, schemas)) ? part : undefined;
  return target.properties ? part : undefined;
}

/** The kinds of a union but null, which the type says. */
function kindsOf(schema: JsonSchema): readonly JsonSchema[] {
  const union = schema.anyOf ?? schema.oneOf;
  return union ? union.filter(({ type }) => type !== 'null').flatMap((kind) => kindsOf(kind)) : [schema];
}

function kindName(kind: JsonSchema, schemas: Schemas): string {
  const { properties = {} } = resolve(kind, schemas);
  const marks = ['type', 'role', 'object'].flatMap((name) => {
    const { const: value, enum: values } = properties[name] ?? {};
    return value === undefined ? (values ?? []).slice(0, 4) : [value];
  });
  return marks.length > 0 ? marks.map(String).join(', ') : typeText(kind, schemas);
}

/** `integer, 1 to 128`, `list of string or null`. */
export function typeText(schema: JsonSchema, schemas: Schemas): string {
  const target = resolve(schema, schemas);
  const union = target.anyOf ?? target.oneOf;
  if (union) return [...new Set(union.map((kind) => typeText(kind, schemas)))].join(' or ');
  if (target.const !== undefined) return JSON.stringify(target.const);
  if (target.type === 'array')
    return `list of ${target.items ? typeText(target.items, schemas) : 'anything'}`;
  if (target.contentMediaType !== undefined) return 'file';
  const fallback = target.default === undefined ? '' : `, default ${JSON.stringify(target.default)}`;
  const values = target.enum?.map((value) => JSON.stringify(value)).join(' or ');
  return `${values ?? target.type ?? 'anything'}${rangeText(target)}${fallback}`;
}

function rangeText({ minimum, exclusiveMinimum, maximum }: JsonSchema): string {
  const least = minimum ?? exclusiveMinimum;
  const above = exclusiveMinimum === undefined ? '' : 'above ';
  if (least !== undefined && maximum !== undefined) return `, ${above}${least} to ${maximum}`;
  if (least !== undefined) return exclusiveMinimum === undefined ? `, at least ${least}` : `, above ${least}`;
  return maximum === undefined ? '' : `, at most ${maximum}`;
}

/** Text with `code` between backquotes. */
export function prose(text: string): Html {
  const parts = text.split('`');
  return html`${parts.map((part, i) => (i % 2 === 0 ? part : html`<code>${part}</code>`))}${raw('')}`;
}
