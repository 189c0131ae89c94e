/** Strings under a schema: length, pattern, format, one of them at a time, since a grammar cannot intersect. */

import { seq, text, type Expr, type Rules } from './grammar.ts';
import { anyString } from './json-text.ts';
import { MAX_REPEAT, regexGrammar, spellInJson } from './regex.ts';
import { countAt, pathText, refuse, shown, type JsonObject, type SchemaPath } from './schema-keywords.ts';

const DATE = [
  String.raw`\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))`,
  String.raw`(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29`,
].join('|');
const TIME = String.raw`(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)`;
const OCTET = String.raw`(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)`;
const IPV4 = String.raw`(?:${OCTET}\.){3}${OCTET}`;
const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
const GROUP = '[0-9A-Fa-f]{1,4}';

/** Subsets of each format, in the usual spellings. */
const formats: Readonly<Record<string, string>> = {
  date: DATE,
  time: TIME,
  'date-time': `(?:${DATE})T${TIME}`,
  duration: String.raw`P(?:\d{1,6}W|\d{1,6}D|\d{1,6}Y(?:\d{1,6}M(?:\d{1,6}D)?)?|\d{1,6}M(?:\d{1,6}D)?|(?:\d{1,6}D)?T(?:\d{1,6}H(?:\d{1,6}M(?:\d{1,6}S)?)?|\d{1,6}M(?:\d{1,6}S)?|\d{1,6}S))`,
  email: `[A-Za-z0-9_+-]{1,32}(?:[.][A-Za-z0-9_+-]{1,32}){0,3}@${LABEL}(?:[.]${LABEL}){1,2}`,
  hostname: `${LABEL}(?:[.]${LABEL}){0,2}`,
  ipv4: IPV4,
  ipv6: `(?:${GROUP}:){7}${GROUP}|(?:${GROUP}:){1,6}:${GROUP}|::${GROUP}|::`,
  uuid: '[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}',
};

export function stringGrammar(schema: JsonObject, path: SchemaPath, rules: Rules): Expr {
  const { pattern, format } = schema;
  const min = countAt(schema['minLength'], [...path, 'minLength'], MAX_REPEAT);
  const max = countAt(schema['maxLength'], [...path, 'maxLength'], MAX_REPEAT);
  const used = ['pattern', 'format'].filter((key) => schema[key] !== undefined);
  if (min || max !== undefined) used.push(min ? 'minLength' : 'maxLength');
  if (used.length > 1) {
    throw refuse(
      [...path, used[1]!],
      `'${used[1]}' beside '${used[0]}' is not supported; say all in one 'pattern'`,
    );
  }
  if (pattern !== undefined) return patternGrammar(pattern, [...path, 'pattern'], false);
  if (format !== undefined) return formatGrammar(format, [...path, 'format']);
  if (max !== undefined && (min ?? 0) > max) {
    throw refuse([...path, 'minLength'], `${min} is above 'maxLength', ${max}`);
  }
  return anyString(rules, min, max);
}

function patternGrammar(pattern: unknown, path: SchemaPath, whole: boolean): Expr {
  if (typeof pattern !== 'string') throw refuse(path, `got ${shown(pattern)}, expected a string`);
  const inner = regexGrammar(pattern, { spell: spellInJson, whole, param: pathText(path) });
  return seq(text('"'), inner, text('"'));
}

function formatGrammar(format: unknown, path: SchemaPath): Expr {
  const pattern = typeof format === 'string' && Object.hasOwn(formats, format) ? formats[format] : undefined;
  if (pattern !== undefined) return patternGrammar(pattern, path, true);
  throw refuse(path, `got ${shown(format)}, expected one of ${Object.keys(formats).join(', ')}`);
}
