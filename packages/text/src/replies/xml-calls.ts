/**
 * Calls as Qwen3-Coder writes them: `<function=f><parameter=a>\nvalue\n</parameter></function>`. Values are bare text, so
 * what they are follows from the tool's parameters.
 */

import { parseJson, type ReadCalls } from './read-calls.ts';

const CALL = /^\s*<function=([^\s<>]+)>([^]*?)(?:<\/function>\s*)?$/;
/** One parameter; models leave out the closing mark at times, and the next one ends it then. */
const PARAMETER = /\s*<parameter=([^\s<>]+)>([^]*?)(?:<\/parameter>|(?=<parameter=)|$)/y;

export const readXmlCalls: ReadCalls = (text, tools) => {
  const [, name, body = ''] = CALL.exec(text) ?? [];
  if (name === undefined) return undefined;
  const properties = propertiesOf(name, tools);
  const args: [string, unknown][] = [];
  PARAMETER.lastIndex = 0;
  while (body.slice(PARAMETER.lastIndex).trim() !== '') {
    const found = PARAMETER.exec(body);
    if (!found) return undefined;
    const [, key = '', value = ''] = found;
    args.push([key, valueOf(value.replace(/^\n|\n$/g, ''), properties[key])]);
  }
  return [{ name, arguments: JSON.stringify(Object.fromEntries(args)) }];
};

function propertiesOf(name: string, tools: readonly unknown[]): Readonly<Record<string, unknown>> {
  for (const tool of tools) {
    const { function: described } = tool as { function?: { name?: unknown; parameters?: unknown } };
    if (described?.name !== name) continue;
    const { properties } = (described.parameters ?? {}) as { properties?: Record<string, unknown> };
    return properties ?? {};
  }
  return {};
}

/** Text stays text where the schema takes text; else it is the JSON that it spells, where it spells any. */
function valueOf(text: string, schema: unknown): unknown {
  const types = typesOf(schema);
  if (types.has('null') && text === 'null') return null;
  if (types.size === 0 || types.has('string')) return text;
  const spelled = text.trim();
  const value = parseJson({ True: 'true', False: 'false', None: 'null' }[spelled] ?? spelled);
  return value === undefined ? text : value;
}

/** Types that a schema names, `anyOf` and `oneOf` included; none for one that takes anything. */
function typesOf(schema: unknown): ReadonlySet<unknown> {
  if (typeof schema !== 'object' || schema === null) return new Set();
  const { type, anyOf, oneOf, enum: listed } = schema as Record<string, unknown>;
  const own = type === undefined && Array.isArray(listed) ? listed.map(typeOf) : [type ?? []].flat();
  const inner = [anyOf ?? [], oneOf ?? []].flat().flatMap((part) => [...typesOf(part)]);
  return new Set([...own, ...inner]);
}

function typeOf(value: unknown): string {
  return value === null ? 'null' : typeof value;
}
