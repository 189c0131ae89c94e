/**
 * Rewrites pre-tokenizers that the JavaScript library computes differently from the Rust one into `Split` steps,
 * which both compute alike: character classes become Unicode-wide, and every split behaviour becomes `Isolated`.
 * Checked against transformers by the goldens in tests/golden/tokenizers.
 */

import { UnsupportedError } from '@steelyard/core';
import { badField, isObject, listAt, stringAt, type Json } from './json-access.ts';

/** GPT-2's word pattern, which `ByteLevel` applies by itself unless told otherwise. */
export const gpt2Pattern =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** `\w` of Rust's regex crate, which unlike Oniguruma's has the joiners. */
const wordCharacter = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}';

const punctuation = '!-\\/:-@\\[-`{-~\\p{P}';

export function isolate(regex: string): Json {
  return { type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false };
}

/** Only what matches becomes pieces; the rest of the text is dropped. */
function keepOnly(regex: string): Json {
  return { type: 'Split', pattern: { Regex: regex }, behavior: 'Removed', invert: true };
}

function sequence(...pretokenizers: Json[]): Json {
  return { type: 'Sequence', pretokenizers };
}

export function repairPreTokenizer(value: unknown, where = 'tokenizer.json pre_tokenizer'): Json | null {
  if (value === null || value === undefined) return null;
  if (!isObject(value)) throw badField(where, value, 'an object or null');
  const type = stringAt(value.type, `${where}.type`);
  const repair = Object.hasOwn(repairs, type) ? repairs[type] : undefined;
  return repair ? repair(value, where) : value;
}

const repairs: Record<string, ((config: Json, where: string) => Json) | undefined> = {
  Sequence(config, where) {
    const list = listAt(config.pretokenizers, `${where}.pretokenizers`);
    const steps = list.map((inner, i) => repairPreTokenizer(inner, `${where}.pretokenizers[${i}]`));
    return sequence(...steps.filter((step) => step !== null));
  },
  ByteLevel(config) {
    const bytes = { ...config, add_prefix_space: false, use_regex: false };
    const steps: Json[] = config.add_prefix_space === true ? [prefixSpace] : [];
    if (config.use_regex !== false) steps.push(isolate(gpt2Pattern));
    return sequence(...steps, bytes);
  },
  Digits(config) {
    return isolate(config.individual_digits === true ? '\\p{N}' : '\\p{N}+');
  },
  Punctuation(config, where) {
    const behavior = typeof config.behavior === 'string' ? config.behavior : 'Isolated';
    return splitAs(`[${punctuation}]`, behavior, where);
  },
  Whitespace: () => keepOnly(`[${wordCharacter}]+|[^${wordCharacter}\\s]+`),
  WhitespaceSplit: () => keepOnly('\\S+'),
  BertPreTokenizer: () => keepOnly(`[^\\s${punctuation}]+|[${punctuation}]`),
  FixedLength(config, where) {
    const { length } = config;
    if (typeof length !== 'number' || !Number.isInteger(length) || length < 1) {
      throw badField(`${where}.length`, length, 'a positive whole number');
    }
    return isolate(`[\\s\\S]{1,${length}}`);
  },
  Metaspace(config) {
    const mark = typeof config.replacement === 'string' ? config.replacement : '\u2581';
    const scheme = config.prepend_scheme ?? (config.add_prefix_space === false ? 'never' : 'always');
    const marked = { ...config, replacement: mark, prepend_scheme: scheme };
    return config.split === false ? marked : sequence(marked, isolate(withNext(escapeRegex(mark))));
  },
  Split(config, where) {
    const pattern = isObject(config.pattern) ? config.pattern : {};
    const regex =
      typeof pattern.Regex === 'string'
        ? pattern.Regex
        : escapeRegex(stringAt(pattern.String, `${where}.pattern.String`));
    const behavior = stringAt(config.behavior, `${where}.behavior`);
    // Inverted, the text between matches is what the behaviour speaks of; only these two are in use.
    if (config.invert === true) {
      if (behavior === 'Removed') return keepOnly(regex);
      if (behavior === 'Isolated') return isolate(regex);
      throw new UnsupportedError(
        `${where}: an inverted Split with behavior ${JSON.stringify(behavior)} is not supported.`,
      );
    }
    return splitAs(regex, behavior, where);
  },
};

/**
 * A space before a piece that does not begin with one; `$&` is the matched first character. Matching nothing at the
 * start instead would match between the halves of a surrogate pair too.
 */
const prefixSpace: Json = { type: 'Replace', pattern: { Regex: '\\A[^ ]' }, content: ' $&' };

function splitAs(regex: string, behavior: string, where: string): Json {
  switch (behavior) {
    case 'Isolated':
      return isolate(regex);
    case 'Removed':
      return { type: 'Split', pattern: { Regex: regex }, behavior, invert: false };
    case 'Contiguous':
      return isolate(`(?:${regex})+`);
    case 'MergedWithPrevious':
      return isolate(`(?:(?!${regex})[\\s\\S])*(?:${regex})`);
    case 'MergedWithNext':
      return isolate(withNext(regex));
    default:
      throw new UnsupportedError(`${where}: split behavior ${JSON.stringify(behavior)} is not supported.`);
  }
}

function withNext(regex: string): string {
  return `(?:${regex})(?:(?!${regex})[\\s\\S])*`;
}

function escapeRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
