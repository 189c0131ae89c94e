/** Checked access to the `tokenizer.ggml.*` metadata of a GGUF file, which anyone may have written. */

import { FormatError } from '@steelyard/core';
import { encodeTexts, textAt, TextIndex, type EncodedTexts } from './text-index.ts';
import type { MetadataLike } from './tokenizer-types.ts';

export type Metadata = ReadonlyMap<string, MetadataLike>;

/** Token types of GGUF's `tokenizer.ggml.token_type`. */
export const tokenType = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export class GgufVocabulary {
  readonly index: TextIndex;
  /** One of `tokenType` per token; all normal where the file says nothing. */
  readonly types: ArrayLike<number>;

  constructor(index: TextIndex, types: ArrayLike<number>) {
    this.index = index;
    this.types = types;
  }

  get size(): number {
    return this.index.texts.length;
  }

  /** All of them as strings, for tokenizers that look at each. */
  get tokens(): readonly string[] {
    return [...this.index.texts];
  }
}

function refuse(key: string, got: string, expected: string): FormatError {
  return new FormatError(
    `${key}: got ${got}, expected ${expected}. The file is damaged; download the model again.`,
  );
}

function describe(value: MetadataLike | undefined): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string')
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value);
  return typeof value === 'object' ? `${value.length} values` : String(value);
}

export function optionalString(metadata: Metadata, key: string): string | undefined {
  const value = metadata.get(key);
  if (value !== undefined && typeof value !== 'string') throw refuse(key, describe(value), 'a string');
  return value;
}

export function flag<T>(metadata: Metadata, key: string, otherwise: T): boolean | T {
  const value = metadata.get(key);
  if (value === undefined) return otherwise;
  if (typeof value !== 'boolean') throw refuse(key, describe(value), 'true or false');
  return value;
}

export function optionalId(metadata: Metadata, key: string, count: number): number | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  // Some converters write -1 or 2^32 - 1 for "none".
  if (value === -1 || value === 0xffff_ffff) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value >= count) {
    throw refuse(key, describe(value), `a token id from 0 to ${count - 1}`);
  }
  return value;
}

/** Strings under a key; undefined where the key is missing. */
export function optionalTexts(metadata: Metadata, key: string): EncodedTexts | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  if (typeof value === 'object' && 'starts' in value) return value;
  if (!Array.isArray(value)) throw refuse(key, describe(value), 'a list of strings');
  const list = value as readonly unknown[];
  for (let i = 0; i < list.length; i++) {
    if (typeof list[i] !== 'string') throw refuse(`${key}[${i}]`, typeof list[i], 'a string');
  }
  return encodeTexts(list as readonly string[]);
}

/** Numbers under a key, as many as there are tokens; undefined where the key is missing. */
export function optionalNumbers(
  metadata: Metadata,
  key: string,
  count: number,
): ArrayLike<number> | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  if (typeof value !== 'object') throw refuse(key, describe(value), `${count} numbers`);
  if ('starts' in value) throw refuse(`${key}[0]`, 'a string', 'a number');
  if (value.length !== count) throw refuse(key, `${value.length} values`, `${count}, one per token`);
  const list = value as ArrayLike<unknown>;
  for (let i = 0; i < list.length; i++) {
    if (typeof list[i] !== 'number' || Number.isNaN(list[i]))
      throw refuse(`${key}[${i}]`, String(list[i]), 'a number');
  }
  return list as ArrayLike<number>;
}

export function readVocabulary(metadata: Metadata): GgufVocabulary {
  const key = 'tokenizer.ggml.tokens';
  const list = optionalTexts(metadata, key);
  if (!list || list.length === 0) throw refuse(key, describe(metadata.get(key)), 'a list of tokens');
  const texts = list.starts.some((start, id) => start === list.ends[id]) ? withoutEmpty(list) : list;
  const index: TextIndex = new TextIndex(texts, (id) => {
    const text = describe(textAt(texts, id));
    throw refuse(`${key}[${id}]`, `${text} a second time`, 'every token once');
  });
  const types = optionalNumbers(metadata, 'tokenizer.ggml.token_type', list.length);
  return new GgufVocabulary(index, types ?? new Uint8Array(list.length).fill(tokenType.normal));
}

function withoutEmpty(list: EncodedTexts): EncodedTexts {
  return encodeTexts([...list].map((token, id) => (token === '' ? `[EMPTY_${id}]` : token)));
}
