/** Checks a body against its schema and words the first problem as OpenAI's API does, with the exact `param`. */

import type { z } from 'zod';
import { ApiError } from './api-error.ts';
import { takesIntegers } from './takes-integers.ts';

type Issue = z.core.$ZodIssue;

/** @throws ApiError 400 naming the parameter, what was found and what was expected */
export function validate<Body>(schema: z.ZodType<Body>, input: unknown): Body {
  const result = schema.safeParse(input, { reportInput: true });
  if (result.success) return result.data;
  const issue = mostTelling(result.error.issues[0]!);
  throw toError(issue, input, schema);
}

/**
 * In a union, the branch whose types fit is the one that the caller meant; else the one that got furthest into the
 * value.
 */
function mostTelling(issue: Issue, base: readonly PropertyKey[] = []): Issue {
  const path = [...base, ...issue.path];
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return { ...issue, path };
  const candidates = issue.errors.flatMap((branch) => (branch[0] ? [mostTelling(branch[0], path)] : []));
  const inner = candidates.filter((one) => one.path.length > path.length || one.code !== 'invalid_type');
  const rank = (one: Issue) => (one.code === 'invalid_type' ? 0 : 100) + one.path.length;
  if (inner.length > 0) return inner.reduce((best, one) => (rank(one) > rank(best) ? one : best));
  const expected = candidates.map((one) => (one.code === 'invalid_type' ? article(one.expected) : 'another'));
  return {
    code: 'custom',
    path,
    input: issue.input,
    message: 'type',
    params: { expected: [...new Set(expected)].join(' or ') },
  };
}

/** `messages[0].content`, as OpenAI writes paths; entries of a query's list `include[]` as those of a body's. */
export function paramPath(path: readonly PropertyKey[]): string {
  return path
    .map((key, i) => (typeof key === 'number' ? `[${key}]` : i === 0 ? String(key) : `.${String(key)}`))
    .join('')
    .replace('[][', '[');
}

function toError(issue: Issue, body: unknown, schema: z.ZodType): ApiError {
  const param = paramPath(issue.path);
  const value = valueAt(body, issue.path);
  const bad = (code: string, message: string, at = param) => new ApiError(400, message, { param: at, code });
  if (param === '' && issue.code !== 'unrecognized_keys') {
    return new ApiError(400, `The request body must be a JSON object, but got ${described(value)}.`, {
      code: 'invalid_type',
    });
  }
  switch (issue.code) {
    case 'unrecognized_keys': {
      const unknown = paramPath([...issue.path, issue.keys[0]!]);
      return bad('unknown_parameter', `Unknown parameter: '${unknown}'. Remove it.`, unknown);
    }
    case 'invalid_type':
      if (value === undefined) return bad('missing_required_parameter', `Missing parameter: '${param}'.`);
      return wrongType(param, article(issue.expected), value);
    case 'invalid_value':
      if (value === undefined) return bad('missing_required_parameter', `Missing parameter: '${param}'.`);
      return bad('invalid_value', `Invalid '${param}': got ${shown(value)}, expected ${list(issue.values)}.`);
    case 'invalid_union': {
      // Only a discriminator without a match arrives here.
      if (value === undefined) return bad('missing_required_parameter', `Missing parameter: '${param}'.`);
      return bad('invalid_value', `Invalid '${param}': got ${shown(value)}. ${issue.message}.`);
    }
    case 'too_big':
      return bad(
        `${sizeName(issue, value, schema)}_above_max_${sizeUnit(issue)}`,
        limitText(param, issue, value, 'at most', issue.maximum),
      );
    case 'too_small':
      return bad(
        `${sizeName(issue, value, schema)}_below_min_${sizeUnit(issue)}`,
        limitText(param, issue, value, 'at least', issue.minimum),
      );
    case 'custom':
      if (issue.message === 'type') {
        if (value === undefined) return bad('missing_required_parameter', `Missing parameter: '${param}'.`);
        return wrongType(param, String(issue.params?.expected), value);
      }
      return bad('invalid_value', `Invalid '${param}': ${issue.message}`);
    default:
      return bad('invalid_value', `Invalid '${param}': ${issue.message}.`);
  }
}

function wrongType(param: string, expected: string, value: unknown): ApiError {
  return new ApiError(
    400,
    `Invalid type for '${param}': expected ${expected}, but got ${described(value)}.`,
    {
      param,
      code: 'invalid_type',
    },
  );
}

function limitText(
  param: string,
  issue: { origin: string; inclusive?: boolean },
  value: unknown,
  bound: string,
  limit: number | bigint,
): string {
  const strict = issue.inclusive === false ? ' (exclusive)' : '';
  // Numbers of queries and forms come as text.
  if (isOfNumber(issue))
    return `Invalid '${param}': got ${String(value)}, expected ${bound} ${limit}${strict}.`;
  const size = typeof value === 'string' || Array.isArray(value) ? value.length : 'another number of';
  const unit = issue.origin === 'string' ? 'characters' : 'entries';
  return `Invalid '${param}': got ${size} ${unit}, expected ${bound} ${limit}.`;
}

function sizeName(
  issue: { origin: string; path: readonly PropertyKey[] },
  value: unknown,
  schema: z.ZodType,
): string {
  if (isOfNumber(issue)) {
    return Number.isInteger(Number(value)) && takesIntegers(schema, issue.path) ? 'integer' : 'decimal';
  }
  return Array.isArray(value) ? 'array' : typeof value;
}

function sizeUnit(issue: { origin: string }): string {
  return isOfNumber(issue) ? 'value' : 'length';
}

/** A bound on a number, not on a length. */
function isOfNumber({ origin }: { origin: string }): boolean {
  return origin === 'number' || origin === 'int';
}

function article(type: string): string {
  if (type === 'int') return 'an integer';
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

function described(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'an integer' : 'a decimal';
  return article(typeof value);
}

/** Short enough for a message; callers may send megabytes. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function list(values: readonly unknown[]): string {
  const quoted = values.map((value) => (typeof value === 'string' ? `'${value}'` : String(value)));
  return quoted.length === 1 ? quoted[0]! : `one of ${quoted.join(', ')}`;
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}
