/** What a tokenizer offers to the layers above. How ids are computed is not said here. */

import type { EncodedTexts } from './text-index.ts';

/** A GGUF metadata value as the readers return it; arrays of numbers may be typed arrays, arrays of strings their bytes. */
export type MetadataLike =
  | string
  | number
  | bigint
  | boolean
  | readonly MetadataLike[]
  | EncodedTexts
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

export interface EncodeOptions {
  /** Add what the model's own tokenizer adds around a text (usually bos). Default true. */
  addSpecial?: boolean;
  /**
   * Turn the text of special tokens into their ids. False treats it as ordinary text, which is what content
   * written by a stranger needs. Default true.
   */
  parseSpecial?: boolean;
  /**
   * Tokens that are of use. A text that surely has more need not be read to its end: the result then has more than
   * these, of which those at the end are not the text's. Keeps a long text from holding up everything else. Default: no
   * limit.
   */
  limit?: number;
}

export interface DecodeOptions {
  /** Leave special tokens out of the text. Default true. */
  skipSpecial?: boolean;
  /** Special tokens that stay in the text all the same. */
  keep?: ReadonlySet<number>;
}

export interface Tokenizer {
  /** One more than the largest id. A model's logits may be wider (padding). */
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  /** Every token that ends a generation (eos, eot, `<|im_end|>`, `<end_of_turn>`, ...), ascending, no repeats. */
  readonly eosIds: readonly number[];
  /** Marks of the parts of a text whose middle is to be filled in, where the file declares them. */
  readonly infill?: { readonly prefix: number; readonly suffix: number; readonly middle: number };
  /** Token ids of a text. Lone surrogates count as U+FFFD. */
  encode(text: string, options?: EncodeOptions): number[];
  /** Text of token ids. Bytes that are not UTF-8 become U+FFFD; ids outside the vocabulary add nothing. */
  decode(ids: readonly number[], options?: DecodeOptions): string;
  /** The vocabulary string of an id, as the file spells it (byte-level tokens stay encoded). */
  token(id: number): string | undefined;
  /** The id of a vocabulary string. */
  id(token: string): number | undefined;
  /**
   * The bytes that a token adds in the middle of a text; a special token adds its own text. Empty for ids outside
   * the vocabulary. The array belongs to the tokenizer: do not write to it.
   */
  bytes(id: number): Uint8Array;
  isSpecial(id: number): boolean;
  /** Decodes ids one by one; one stream per text. */
  stream(options?: DecodeOptions): TokenStream;
}

/** The pieces that `push` and `flush` return, joined, equal `decode` of the pushed ids. */
export interface TokenStream {
  /** Text that is complete after this id, possibly empty; never a part of a character. */
  push(id: number): string;
  /** What is left: U+FFFD for an unfinished character, else nothing. Push nothing afterwards. */
  flush(): string;
}
