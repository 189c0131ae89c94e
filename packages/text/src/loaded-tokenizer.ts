/**
 * A tokenizer in memory. Normalising, pre-tokenizing and the model are @huggingface/tokenizers'; cutting out added
 * tokens, special tokens around the text, and decoding are ours, because they decide what is safe and what streams.
 */

import { FormatError, SteelyardError, UnsupportedError } from '@steelyard/core';
import { AddedTokenSplitter, type AddedToken, type Section } from './added-tokens.ts';
import { compileDecoder, type TokenPieces } from './decode-rules.ts';
import type { Json } from './json-access.ts';
import type { ModelVocabulary } from './model-vocabulary.ts';
import { repairNormalizer } from './normalizer-repairs.ts';
import { surroundings, type Surroundings } from './post-processor.ts';
import { repairPreTokenizer } from './pre-tokenizer-repairs.ts';
import { PieceStream } from './token-stream.ts';
import { TokenizerLibrary, type TokenizerStages } from './tokenizer-library.ts';
import type { DecodeOptions, EncodeOptions, Tokenizer, TokenStream } from './tokenizer-types.ts';

const noBytes = new Uint8Array(0);

/** More than nearly all texts have; as much of a text is read first where only so many tokens are of use. */
const CHARS_PER_TOKEN = 8;
/**
 * Tokens more than an eighth of the limit by which a beginning shows that a text has more than the limit: more than a word
 * cut in two may have, which WordPiece takes as one token where it is longer than 100 characters.
 */
const SLACK = 128;

/** Splitters for one way of treating special tokens. */
interface Splitters {
  /** On the text as given. */
  readonly raw: AddedTokenSplitter;
  /** On the normalised text. */
  readonly normalized: AddedTokenSplitter;
}

export class LoadedTokenizer implements Tokenizer {
  readonly vocabSize: number;
  bosId: number | undefined;
  eosIds: readonly number[] = [];
  infill?: NonNullable<Tokenizer['infill']>;
  private readonly vocabulary: ModelVocabulary;
  /** Added tokens by id and by text. */
  private readonly addedTexts = new Map<number, string>();
  private readonly addedIds = new Map<string, number>();
  private readonly special = new Set<number>();
  private readonly library: TokenizerStages;
  private readonly unknownId: number | undefined;
  private readonly withSpecial: Splitters;
  private readonly withoutSpecial: Splitters;
  private readonly around: Surroundings;
  private readonly pieces: TokenPieces;

  /** `json` is a tokenizer.json, of which the model is not read; the ids of `vocabulary` become the tokenizer's own. */
  constructor(json: Json, added: readonly AddedToken[], vocabulary: ModelVocabulary) {
    this.library = createLibrary(json, vocabulary);
    this.vocabulary = vocabulary;
    this.addTokens(added);
    const unknown = vocabulary.model.unk_token;
    this.unknownId = typeof unknown === 'string' ? this.id(unknown) : this.library.model.unk_token_id;
    this.vocabSize = added.reduce((size, { id }) => Math.max(size, id + 1), vocabulary.size);
    this.withSpecial = this.splitters(added);
    this.withoutSpecial = this.splitters(added.filter((token) => !token.special));
    this.around = surroundings(json.post_processor, (token) => this.id(token));
    this.pieces = compileDecoder(json.decoder, (id) => this.token(id));
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    const { limit = Infinity } = options;
    for (let length = CHARS_PER_TOKEN * limit; length < text.length; length *= 4) {
      const ids = this.encodeAll(text.slice(0, length), options);
      // A beginning may have a few more than it has within the whole.
      if (ids.length > limit + limit / 8 + SLACK) return ids;
    }
    return this.encodeAll(text, options);
  }

  private encodeAll(text: string, { addSpecial = true, parseSpecial = true }: EncodeOptions): number[] {
    const ids: number[] = addSpecial ? [...this.around.before] : [];
    // Only lone surrogates match: in a `u` pattern a pair is one character of another class.
    const wellFormed = text.replace(/\p{Cs}/gu, '\ufffd');
    const splitters = parseSpecial ? this.withSpecial : this.withoutSpecial;
    splitters.raw
      .split(wellFormed)
      .forEach((section, i) => this.encodeSection(section, i === 0, splitters, ids));
    if (addSpecial) ids.push(...this.around.after);
    return ids;
  }

  decode(ids: readonly number[], options?: DecodeOptions): string {
    const stream = this.stream(options);
    const parts = ids.map((id) => stream.push(id));
    parts.push(stream.flush());
    return parts.join('');
  }

  token(id: number): string | undefined {
    return this.addedTexts.get(id) ?? this.vocabulary.token(id);
  }

  id(token: string): number | undefined {
    return this.addedIds.get(token) ?? this.vocabulary.ids.get(token);
  }

  bytes(id: number): Uint8Array {
    return this.pieces.middle(id) ?? noBytes;
  }

  isSpecial(id: number): boolean {
    return this.special.has(id);
  }

  stream(options: DecodeOptions = {}): TokenStream {
    const { skipSpecial = true, keep } = options;
    return new PieceStream(this.pieces, (id) => skipSpecial && this.special.has(id) && !keep?.has(id));
  }

  private encodeSection(section: Section, first: boolean, splitters: Splitters, ids: number[]): void {
    if (typeof section !== 'string') {
      ids.push(section.id);
      return;
    }
    const text = this.normalize(section);
    splitters.normalized.split(text).forEach((piece, i) => {
      if (typeof piece !== 'string') ids.push(piece.id);
      else this.encodePiece(piece, first && i === 0, ids);
    });
  }

  private encodePiece(text: string, first: boolean, ids: number[]): void {
    const { pre_tokenizer: preTokenizer, model } = this.library;
    // The library asks for the section's number only to know whether it is the first.
    const words = preTokenizer ? preTokenizer.pre_tokenize(text, { section_index: first ? 0 : 1 }) : [text];
    for (const token of model._call(words)) {
      const id = model.tokens_to_ids.get(token) ?? this.unknownId;
      if (id !== undefined) ids.push(id);
    }
  }

  private normalize(text: string): string {
    return this.library.normalizer ? this.library.normalizer.normalize(text) : text;
  }

  private addTokens(added: readonly AddedToken[]): void {
    for (const { id, content, special } of added) {
      const taken = this.token(id);
      if (taken !== undefined && taken !== content) {
        throw new FormatError(
          `added_tokens: ${JSON.stringify(content)} has the id ${id} of ${JSON.stringify(taken)}; every token needs its own. Download the model again.`,
        );
      }
      this.addedTexts.set(id, content);
      this.addedIds.set(content, id);
      if (!special) continue;
      this.special.add(id);
      // Plain text must not reach a special token, not even as a whole word looked up in the vocabulary.
      this.library.model.tokens_to_ids.delete(content);
    }
  }

  private splitters(added: readonly AddedToken[]): Splitters {
    const inNormalized = (token: AddedToken) => token.normalized && this.library.normalizer !== null;
    return {
      raw: new AddedTokenSplitter(added.filter((token) => !inNormalized(token))),
      normalized: new AddedTokenSplitter(added.filter(inNormalized), (token) =>
        this.normalize(token.content),
      ),
    };
  }
}

/** The library with its added tokens, special tokens and decoder left out: those are handled here. */
function createLibrary(json: Json, vocabulary: ModelVocabulary): TokenizerStages {
  const { model, ids, ranks } = vocabulary;
  const listed = model.type === 'Unigram';
  const input = {
    normalizer: repairNormalizer(json.normalizer),
    pre_tokenizer: repairPreTokenizer(json.pre_tokenizer),
    post_processor: null,
    decoder: null,
    added_tokens: [],
    model: listed ? model : { ...model, vocab: {} },
  };
  try {
    const library = new TokenizerLibrary(input, {});
    if (!listed) {
      // Handing over a map at once spares the library from taking a large object apart, a third of the loading time.
      library.model.tokens_to_ids = ids;
      if (typeof model.unk_token === 'string') library.model.unk_token_id = ids.get(model.unk_token);
      if (ranks) library.model.bpe_ranks = ranks;
    }
    return library;
  } catch (error) {
    if (error instanceof SteelyardError) throw error;
    const detail = error instanceof Error ? error.message : String(error);
    throw new UnsupportedError(`tokenizer.json: the tokenizer library refuses it: ${detail}`, {
      cause: error,
    });
  }
}
