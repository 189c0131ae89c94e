/**
 * The stub model's tokenizer: a token is an ASCII word with the white space before it; other characters are tokens
 * of one UTF-8 byte, so that half characters do occur. Words get ids as they are first met.
 */

import type { DecodeOptions, Tokenizer, TokenStream } from '@steelyard/text';

export const EOS = 0;
const FIRST_BYTE = 1;
const FIRST_WORD = FIRST_BYTE + 256;
const VOCAB = 8192;

const none = new Uint8Array(0);
/** A word, white space that no word follows, or one character of another script. */
const PIECE = /\s*[!-~]+|\s+|[^\s!-~]/gu;
const ASCII = /^[\s!-~]+$/;

export class WordTokenizer implements Tokenizer {
  readonly vocabSize = VOCAB;
  readonly bosId = undefined;
  readonly eosIds = [EOS];
  readonly #ids = new Map<string, number>();
  readonly #words: string[] = [];

  encode(text: string): number[] {
    return (text.match(PIECE) ?? []).flatMap((piece) => this.#encodePiece(piece));
  }

  decode(ids: readonly number[], _options?: DecodeOptions): string {
    const stream = this.stream();
    return ids.map((id) => stream.push(id)).join('') + stream.flush();
  }

  token(id: number): string | undefined {
    if (id === EOS) return '<eos>';
    return id < FIRST_WORD ? `<0x${(id - FIRST_BYTE).toString(16).padStart(2, '0')}>` : this.#word(id);
  }

  id(token: string): number | undefined {
    return token === '<eos>' ? EOS : this.#ids.get(token);
  }

  bytes(id: number): Uint8Array {
    if (id < FIRST_BYTE) return none;
    return id < FIRST_WORD ? Uint8Array.of(id - FIRST_BYTE) : new TextEncoder().encode(this.#word(id) ?? '');
  }

  isSpecial(id: number): boolean {
    return id === EOS;
  }

  stream(): TokenStream {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    return {
      push: (id) => decoder.decode(this.bytes(id), { stream: true }),
      flush: () => decoder.decode(),
    };
  }

  #word(id: number): string | undefined {
    return this.#words[id - FIRST_WORD];
  }

  #encodePiece(piece: string): number | number[] {
    const known = this.#ids.get(piece);
    if (known !== undefined) return known;
    const id = FIRST_WORD + this.#words.length;
    if (!ASCII.test(piece) || id >= VOCAB) {
      return Array.from(new TextEncoder().encode(piece), (byte) => byte + FIRST_BYTE);
    }
    this.#words.push(piece);
    this.#ids.set(piece, id);
    return id;
  }
}
