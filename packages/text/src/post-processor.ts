/** What a tokenizer puts around one text, read from the `post_processor` of a tokenizer.json. Pairs are not read. */

import { FormatError, UnsupportedError } from '@steelyard/core';
import { badField, describe, isObject, listAt, stringAt, type Json } from './json-access.ts';

export interface Surroundings {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

type IdOf = (token: string) => number | undefined;

export function surroundings(
  value: unknown,
  idOf: IdOf,
  where = 'tokenizer.json post_processor',
): Surroundings {
  if (value === null || value === undefined) return { before: [], after: [] };
  if (!isObject(value)) throw badField(where, value, 'an object or null');
  const type = stringAt(value.type, `${where}.type`);
  switch (type) {
    case 'ByteLevel':
      return { before: [], after: [] };
    case 'TemplateProcessing':
      return fromTemplate(value, idOf, where);
    case 'BertProcessing':
    case 'RobertaProcessing':
      return {
        before: [specialId(listAt(value.cls, `${where}.cls`)[0], idOf, `${where}.cls`)],
        after: [specialId(listAt(value.sep, `${where}.sep`)[0], idOf, `${where}.sep`)],
      };
    case 'Sequence':
      // Each wraps what the ones before it made.
      return listAt(value.processors, `${where}.processors`)
        .map((inner, i) => surroundings(inner, idOf, `${where}.processors[${i}]`))
        .reduce(
          (inner, outer) => ({
            before: [...outer.before, ...inner.before],
            after: [...inner.after, ...outer.after],
          }),
          { before: [], after: [] },
        );
    default:
      throw new UnsupportedError(
        `${where}: ${JSON.stringify(type)} is not supported (supported: ByteLevel, TemplateProcessing, BertProcessing, RobertaProcessing, Sequence).`,
      );
  }
}

function fromTemplate(config: Json, idOf: IdOf, where: string): Surroundings {
  const before: number[] = [];
  const after: number[] = [];
  let side = before;
  listAt(config.single, `${where}.single`).forEach((item, i) => {
    const at = `${where}.single[${i}]`;
    if (isObject(item) && isObject(item.SpecialToken))
      side.push(...templateIds(config, item.SpecialToken.id, idOf, at));
    else if (isObject(item) && isObject(item.Sequence)) side = after;
    else throw badField(at, item, 'a SpecialToken or a Sequence');
  });
  return { before, after };
}

/** A template names its own entry of `special_tokens`, which may stand for several ids. */
function templateIds(config: Json, name: unknown, idOf: IdOf, where: string): number[] {
  const entry =
    isObject(config.special_tokens) && typeof name === 'string' ? config.special_tokens[name] : undefined;
  const tokens = isObject(entry) && Array.isArray(entry.tokens) ? (entry.tokens as unknown[]) : [name];
  return tokens.map((token) => specialId(token, idOf, where));
}

function specialId(token: unknown, idOf: IdOf, where: string): number {
  const text = stringAt(token, where);
  const id = idOf(text);
  if (id === undefined) {
    throw new FormatError(
      `${where}: the special token ${describe(text)} is not in the vocabulary. Download the model again.`,
    );
  }
  return id;
}
