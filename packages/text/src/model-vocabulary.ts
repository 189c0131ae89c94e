/** Checks the `model` of a tokenizer.json and shapes it for the library. The caller's object is left alone. */

import { FormatError, UnsupportedError } from '@steelyard/core';
import type { AddedToken } from './added-tokens.ts';
import { badField, describe, idAt, isObject, listAt, stringAt, type Json } from './json-access.ts';
import { notKnown } from './merge-ranks.ts';

export interface ModelVocabulary {
  /** The library's input, without the vocabulary of BPE and WordPiece. */
  readonly model: Json;
  /** One more than the largest id of its own. */
  readonly size: number;
  /** Token strings by id; undefined where added tokens or nothing live. */
  readonly token: (id: number) => string | undefined;
  /** Ids of the model's own tokens; becomes the tokenizer's. */
  readonly ids: Map<string, number>;
  /** The order of merges by the JSON text of a pair, where it is not the order of `model.merges`. */
  readonly ranks?: Map<string, number>;
}

const vocabKey = 'tokenizer.json model.vocab';

export function readModel(model: Json, added: readonly AddedToken[]): ModelVocabulary {
  const type = modelType(model);
  const special = specialTexts(added);
  if (type === 'Unigram') return readUnigram(model, special);
  if (type !== 'BPE' && type !== 'WordPiece') {
    throw new UnsupportedError(
      `tokenizer.json model.type: ${JSON.stringify(type)} is not supported (supported: BPE, Unigram, WordPiece).`,
    );
  }
  const vocab = model.vocab;
  if (!isObject(vocab)) throw badField(vocabKey, vocab, 'an object of token ids by token');
  const tokens: (string | undefined)[] = [];
  const ids = new Map<string, number>();
  for (const token of Object.keys(vocab)) {
    const id = idAt(vocab[token], `${vocabKey} ${describe(token)}`);
    if (tokens[id] !== undefined) {
      throw new FormatError(
        `${vocabKey}: tokens ${describe(tokens[id])} and ${describe(token)} share the id ${id}; every token needs its own. Download the model again.`,
      );
    }
    tokens[id] = token;
    ids.set(token, id);
  }
  const held = { size: tokens.length, token: (id: number) => tokens[id] };
  if (type === 'WordPiece')
    return { model: { continuing_subword_prefix: '##', ...model, type }, ...held, ids };
  if (typeof model.continuing_subword_prefix === 'string' && model.continuing_subword_prefix !== '') {
    throw new UnsupportedError(
      'tokenizer.json model.continuing_subword_prefix: BPE with a prefix is not supported.',
    );
  }
  const merges = readMerges(model.merges, ids, special, 'tokenizer.json model.merges');
  return { model: { ...model, type, merges }, ...held, ids };
}

/** Texts that plain text must not turn into. */
function specialTexts(added: readonly AddedToken[]): Set<string> {
  return new Set(added.filter((token) => token.special).map((token) => token.content));
}

/** Old files leave the type out. */
function modelType(model: Json): string {
  if (typeof model.type === 'string') return model.type;
  if (Array.isArray(model.vocab)) return 'Unigram';
  return Array.isArray(model.merges) ? 'BPE' : 'WordPiece';
}

/**
 * Pairs of tokens, best first. Merges that spell a special token are left out: its text in content that may not hold
 * special tokens must stay ordinary text.
 */
function readMerges(
  value: unknown,
  ids: ReadonlyMap<string, number>,
  special: ReadonlySet<string>,
  where: string,
): [string, string][] {
  const merges: [string, string][] = [];
  const list = listAt(value, where);
  for (let i = 0; i < list.length; i++) {
    const [left, right] = readMerge(list[i], i, where);
    const merged = left + right;
    if (!ids.has(left) || !ids.has(right) || !ids.has(merged)) {
      const missing = [left, right, merged].find((token) => !ids.has(token));
      throw notKnown(`${where}[${i}]`, missing);
    }
    if (!special.has(merged)) merges.push([left, right]);
  }
  return merges;
}

function readMerge(entry: unknown, i: number, where: string): readonly [string, string] {
  if (typeof entry === 'string') {
    const space = entry.indexOf(' ');
    // Two spaces would leave open which one divides.
    if (space > 0 && space < entry.length - 1 && entry.indexOf(' ', space + 1) < 0) {
      return [entry.slice(0, space), entry.slice(space + 1)];
    }
  } else if (Array.isArray(entry) && entry.length === 2) {
    const [left, right] = entry as unknown[];
    if (typeof left === 'string' && typeof right === 'string' && left !== '' && right !== '')
      return [left, right];
  }
  throw badField(`${where}[${i}]`, entry, 'two tokens with one space between');
}

function readUnigram(model: Json, special: ReadonlySet<string>): ModelVocabulary {
  const list = listAt(model.vocab, vocabKey);
  const tokens: string[] = [];
  const vocab = list.map((entry, id): [string, number] => {
    const [token, score] = listAt(entry, `${vocabKey}[${id}]`);
    const text = stringAt(token, `${vocabKey}[${id}][0]`);
    if (typeof score !== 'number' || Number.isNaN(score))
      throw badField(`${vocabKey}[${id}][1]`, score, 'a score');
    tokens.push(text);
    // The lattice would find special tokens in plain text; a lone surrogate is never in well-formed text.
    return [special.has(text) ? `\udc00${text}` : text, score];
  });
  if (vocab.length === 0) throw badField(vocabKey, list, 'at least one token');
  if (
    model.unk_id !== null &&
    model.unk_id !== undefined &&
    idAt(model.unk_id, 'tokenizer.json model.unk_id') >= vocab.length
  ) {
    throw badField('tokenizer.json model.unk_id', model.unk_id, `an id below ${vocab.length}`);
  }
  const ids = new Map(tokens.map((token, id) => [token, id]));
  return {
    model: { ...model, type: 'Unigram', vocab },
    size: tokens.length,
    token: (id) => tokens[id],
    ids,
  };
}
