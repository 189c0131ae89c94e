/** What is wrong with a configuration: where, what is there, what is expected. */

import type { z } from 'zod';
import { UsageError } from '../errors.ts';
import { nearest } from './nearest.ts';
import { settingAt, settingGroups, settings } from './settings.ts';

export interface ConfigIssue {
  /** `steelyard.yaml:3:7: port`, `STEELYARD_PORT` or `--port`. */
  readonly where: string;
  readonly file?: string;
  /** From 1. */
  readonly line?: number;
  readonly column?: number;
  /** Of the setting, as a file writes it; empty for the whole. */
  readonly path: string;
  readonly message: string;
}

/** A configuration that cannot be used, with everything that is wrong with it. */
export class ConfigError extends UsageError {
  readonly issues: readonly ConfigIssue[];

  constructor(issues: readonly ConfigIssue[]) {
    const [first] = issues as [ConfigIssue, ...ConfigIssue[]];
    const more = issues.length > 1 ? ` (and ${issues.length - 1} more: steelyard config check)` : '';
    super(`${issueLine(first)}${more}`);
    this.issues = issues;
  }
}

/** `steelyard.yaml:3:7: port is 99999; expected a whole number from 0 to 65535` */
export function issueLine({ where, message }: ConfigIssue): string {
  return `${where} ${message}`;
}

/** As zod tells it, in the terms of the settings; one for each unknown key. */
export interface Found {
  readonly path: readonly PropertyKey[];
  readonly text: string;
  /** The place is the key, not the value. */
  readonly atKey?: boolean;
}

export function foundOf(issue: z.core.$ZodIssue, raw: unknown): Found[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...issue.path, key],
      text: unknownKey([...issue.path, key]),
      atKey: true,
    }));
  }
  const deeper = issue.code === 'invalid_union' ? furthest(issue) : undefined;
  if (deeper) return foundOf(deeper, raw);
  const setting = settingAt(issue.path);
  if (issue.code === 'custom' && !/^expected /.test(issue.message))
    return [{ path: issue.path, text: issue.message }];
  const value = setting?.secret ? 'not that' : shown(valueAt(raw, issue.path));
  const own = setting?.at.length === issue.path.length;
  const expected = own ? setting.expected : setting ? expectedOf(issue) : 'settings by name';
  return [{ path: issue.path, text: `is ${value}; expected ${expected}` }];
}

/** Of the branches of a union, the problem that lies deepest: the branch that was meant. */
function furthest(issue: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue | undefined {
  const inner = issue.errors.flatMap((branch) => branch[0] ?? []);
  const deep = inner.filter(({ path, code }) => path.length > 0 || code === 'unrecognized_keys');
  const best = deep.sort((a, b) => b.path.length - a.path.length)[0];
  return best && { ...best, path: [...issue.path, ...best.path] };
}

function expectedOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return /^[aeiou]/.test(issue.expected) ? `an ${issue.expected}` : `a ${issue.expected}`;
    case 'invalid_value':
      return `one of ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return `${String(issue.minimum)} or more`;
    case 'too_big':
      return `${String(issue.maximum)} or less`;
    default:
      return issue.message.replace(/^expected /, '');
  }
}

function unknownKey(path: readonly PropertyKey[]): string {
  const key = String(path.at(-1));
  const inside = path.slice(0, -1).map(String);
  const group = inside.join('.');
  const siblings = settings.filter(({ at }) => at.slice(0, -1).join('.') === group);
  const names = siblings.map(({ at }) => at.at(-1)!);
  const groups = group === '' ? settingGroups.map(({ name }) => name) : [];
  const meant = nearest(key, [...names, ...groups]) ?? elsewhere(key);
  const hint = meant === undefined ? 'steelyard config show lists them' : `did you mean ${meant}?`;
  return `is not a setting; ${hint}`;
}

/** A name that is right, in the wrong place: told with its place. */
function elsewhere(key: string): string | undefined {
  const last = nearest(
    key,
    settings.map(({ at }) => at.at(-1)!),
  );
  return settings.find(({ at }) => at.at(-1) === last)?.name;
}

const PREFIX = /^STEELYARD_/;

/** The variable that a person may have meant. */
export function nearestVariable(name: string): string | undefined {
  const known = settings.flatMap(({ variables, secret }) =>
    variables.flatMap((variable) => (secret ? [variable, `${variable}_FILE`] : [variable])),
  );
  const ours = [...known, 'STEELYARD_CONFIG'].filter((variable) => PREFIX.test(variable));
  const meant = nearest(
    name.replace(PREFIX, ''),
    ours.map((variable) => variable.replace(PREFIX, '')),
  );
  return meant && `STEELYARD_${meant}`;
}

export function shown(value: unknown): string {
  const text = typeof value === 'string' ? `'${value}'` : (JSON.stringify(value) ?? 'nothing');
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path) {
    if (value === null || typeof value !== 'object') return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}
