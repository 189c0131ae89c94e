/**
 * Kinds of settings: a schema, and beside it what a file's schema does not say, namely how flags and variables spell the
 * value, what a person is told to write, and whether it is a secret.
 */

import { z } from 'zod';
import { parseBytes, parseDuration } from '../terminal/format.ts';

/** How a text, from a flag or a variable, becomes what a file would hold. */
export type TextForm = 'text' | 'number' | 'boolean' | 'list' | 'json';

export interface SettingFacts {
  readonly form: TextForm;
  /** After "expected". */
  readonly expected: string;
  /** What stands for the value in help: `size`. Absent for yes or no. */
  readonly placeholder?: string;
  /** Where it is not the path in kebab-case; false: it has none. */
  readonly flag?: string | false;
  /** Variables read besides `STEELYARD_...`, after it. */
  readonly env?: readonly string[];
  /** Never shown. Its variable with `_FILE` at its end names a file that holds it. */
  readonly secret?: true;
  /** In a file, relative to the file's folder: always, or where it begins with a dot. */
  readonly path?: 'always' | 'dotted';
  /** Left out of `--help`, which would be long. */
  readonly rare?: true;
  /** Of a number that a person writes with a unit. */
  readonly unit?: 'bytes' | 'ms';
  /** What `--no-...` means, where that is the flag that changes something. */
  readonly off?: string;
  /** What the default is where the schema has none. */
  readonly otherwise?: string;
}

type Given = Omit<SettingFacts, 'form' | 'expected'> & { readonly expected?: string };

/** Facts of each setting's schema. */
export const settingFacts = z.registry<SettingFacts>();

function setting<T extends z.ZodType>(schema: T, about: string, facts: SettingFacts): T {
  const described = schema.describe(about);
  settingFacts.add(described, facts);
  return described;
}

/** What a setting without a value of its own is by default. */
type Wrap<T extends z.ZodType, R extends z.ZodType> = (schema: T) => R;

export function text<R extends z.ZodType>(
  about: string,
  wrap: Wrap<z.ZodString, R>,
  facts: Given = {},
  schema = z.string().min(1),
): R {
  return setting(wrap(schema), about, { form: 'text', expected: 'a text', placeholder: 'text', ...facts });
}

export function yesNo<R extends z.ZodType>(about: string, wrap: Wrap<z.ZodBoolean, R>, facts: Given = {}): R {
  return setting(wrap(z.boolean()), about, { form: 'boolean', expected: 'true or false', ...facts });
}

export function whole<R extends z.ZodType>(
  about: string,
  [min, max]: readonly [number, number],
  wrap: Wrap<z.ZodNumber, R>,
  facts: Given = {},
): R {
  const expected = `a whole number from ${min} to ${max}`;
  const schema = z.int().min(min).max(max);
  return setting(wrap(schema), about, { form: 'number', expected, placeholder: 'n', ...facts });
}

export function fraction<R extends z.ZodType>(
  about: string,
  wrap: Wrap<z.ZodNumber, R>,
  facts: Given = {},
): R {
  const schema = z.number().min(0).max(1);
  return setting(wrap(schema), about, {
    ...{ form: 'number', expected: 'a number from 0 to 1', placeholder: 'n' },
    ...facts,
  });
}

export function choice<const V extends readonly string[], R extends z.ZodType>(
  about: string,
  values: V,
  wrap: Wrap<z.ZodEnum<{ [K in V[number]]: K }>, R>,
  facts: Given = {},
): R {
  const expected = `one of ${values.join(', ')}`;
  return setting(wrap(z.enum(values)), about, { form: 'text', expected, placeholder: 'name', ...facts });
}

export function list<R extends z.ZodType>(
  about: string,
  wrap: Wrap<z.ZodArray<z.ZodString>, R>,
  facts: Given = {},
): R {
  const schema = z.array(z.string().min(1));
  return setting(wrap(schema), about, {
    ...{ form: 'list', expected: 'a list of texts', placeholder: 'text' },
    ...facts,
  });
}

/** Anything with a shape of its own; in flags and variables as JSON, or as a text where the schema takes one. */
export function shaped<S extends z.ZodType>(about: string, schema: S, facts: Given): S {
  return setting(schema, about, { form: 'json', expected: 'JSON', placeholder: 'json', ...facts });
}

const measure = (parse: (text: string) => number | undefined, expected: string, most = Infinity) =>
  z.union([z.number(), z.string()]).transform((value, context) => {
    const read = parse(String(value));
    if (read !== undefined && read <= most) return read;
    context.addIssue({ code: 'custom', message: `expected ${expected}` });
    return z.NEVER;
  });

type Measure = ReturnType<typeof measure>;

const SIZE = 'a size such as 4GB or 512MiB';
const TIME = 'a time such as 90s, 5m, 2h or never';

/** Bytes. */
export function size<R extends z.ZodType>(about: string, wrap: Wrap<Measure, R>, facts: Given = {}): R {
  const schema = measure(parseBytes, SIZE);
  return setting(wrap(schema), about, {
    ...{ form: 'text', expected: SIZE, placeholder: 'size', unit: 'bytes' },
    ...facts,
  });
}

const SHORT_TIME = 'a time up to 24h such as 500ms, 90s or 5m';
const DAY_MS = 24 * 3_600_000;

/** Milliseconds of something that must end; a bare number is seconds. */
export function shortTime<R extends z.ZodType>(about: string, wrap: Wrap<Measure, R>, facts: Given = {}): R {
  const schema = measure(parseDuration, SHORT_TIME, DAY_MS);
  return setting(wrap(schema), about, {
    ...{ form: 'text', expected: SHORT_TIME, placeholder: 'time', unit: 'ms' },
    ...facts,
  });
}

/** Milliseconds; a bare number is seconds. */
export function time<R extends z.ZodType>(about: string, wrap: Wrap<Measure, R>, facts: Given = {}): R {
  const schema = measure(parseDuration, TIME);
  return setting(wrap(schema), about, {
    ...{ form: 'text', expected: TIME, placeholder: 'time', unit: 'ms' },
    ...facts,
  });
}
