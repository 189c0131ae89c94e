/**
 * Rewrites normalizers that the JavaScript library computes differently from the Rust one. What the library lacks
 * altogether it refuses by itself, by name.
 */

import { badField, isObject, listAt, stringAt, type Json } from './json-access.ts';

export function repairNormalizer(value: unknown, where = 'tokenizer.json normalizer'): Json | null {
  if (value === null || value === undefined) return null;
  if (!isObject(value)) throw badField(where, value, 'an object or null');
  const type = stringAt(value.type, `${where}.type`);
  const repair = Object.hasOwn(repairs, type) ? repairs[type] : undefined;
  return repair ? repair(value, where) : value;
}

function replace(regex: string, content: string): Json {
  return { type: 'Replace', pattern: { Regex: regex }, content };
}

/** JavaScript lower-cases a word's last capital sigma to its final form; Rust, going by characters, does not. */
const plainSigma = replace('\u03a3', '\u03c3');

/** Chinese ideographs beyond U+FFFF, which the library sees as two halves. `$&` is the matched character. */
const spacedIdeographs = replace('[\u{20000}-\u{2A6DF}\u{2A700}-\u{2CEAF}\u{2F800}-\u{2FA1F}]', ' $& ');

const repairs: Record<string, ((config: Json, where: string) => Json) | undefined> = {
  Sequence(config, where) {
    const normalizers = listAt(config.normalizers, `${where}.normalizers`).flatMap(
      (inner, i) => repairNormalizer(inner, `${where}.normalizers[${i}]`) ?? [],
    );
    return { type: 'Sequence', normalizers };
  },
  Lowercase: (config) => ({ type: 'Sequence', normalizers: [plainSigma, config] }),
  // The library takes the content as a JavaScript replacement text, where `$` has a meaning.
  Replace(config, where) {
    return { ...config, content: stringAt(config.content, `${where}.content`).replaceAll('$', '$$$$') };
  },
  BertNormalizer(config) {
    const normalizers: Json[] = [];
    if (config.handle_chinese_chars === true) normalizers.push(spacedIdeographs);
    if (config.lowercase === true) normalizers.push(plainSigma);
    return { type: 'Sequence', normalizers: [...normalizers, config] };
  },
};
