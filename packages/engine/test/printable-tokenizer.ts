/** A tokenizer for tests of the engine: token id `i` is the character with code 32 + i, one byte each. */

import type { Tokenizer } from '@steelyard/text';

export function printableTokenizer(vocabSize: number, eosIds: readonly number[] = []): Tokenizer {
  const text = (id: number): string => String.fromCharCode(32 + id);
  return {
    vocabSize,
    bosId: undefined,
    eosIds,
    encode: (words) => Array.from(words, (c) => c.charCodeAt(0) - 32),
    decode: (ids) => ids.map(text).join(''),
    token: text,
    id: (token) => token.charCodeAt(0) - 32,
    bytes: (id) => new TextEncoder().encode(text(id)),
    isSpecial: (id) => eosIds.includes(id),
    stream: () => ({ push: text, flush: () => '' }),
  };
}
