/** Tokenizers rebuilt from the `tokenizer.ggml.*` metadata of a GGUF file. */

import { FormatError, UnsupportedError } from '@steelyard/core';
import { endTokenIds } from './end-tokens.ts';
import { byteLevelBpe, type RebuiltModel } from './gguf-bpe.ts';
import {
  flag,
  optionalId,
  optionalString,
  readVocabulary,
  tokenType,
  type Metadata,
} from './gguf-metadata.ts';
import { preTokenizerPreset } from './gguf-pre-tokenizers.ts';
import { sentencePiece } from './gguf-sentencepiece.ts';
import { wordPiece } from './gguf-word-piece.ts';
import type { Json } from './json-access.ts';
import { LoadedTokenizer } from './loaded-tokenizer.ts';
import type { MetadataLike, Tokenizer } from './tokenizer-types.ts';

/** A rebuilt tokenizer, with what such a model adds to a text unless the file says otherwise. */
interface Rebuilt extends RebuiltModel {
  readonly addBos: boolean;
  readonly addSep: boolean;
}

/**
 * @throws FormatError naming the key where the metadata is damaged; UnsupportedError for a tokenizer model or a
 *   pre-tokenizer name that is not known.
 */
export function tokenizerFromGguf(metadata: ReadonlyMap<string, MetadataLike>): Tokenizer {
  const vocabulary = readVocabulary(metadata);
  const { json, added, addBos, addSep, vocabulary: model } = rebuild(metadata, vocabulary);
  const id = (name: string) => optionalId(metadata, `tokenizer.ggml.${name}_token_id`, vocabulary.size);
  const eos = id('eos');
  const bos = id('bos') ?? id('cls');
  const before = flag(metadata, 'tokenizer.ggml.add_bos_token', addBos) ? [bos] : [];
  const after = flag(metadata, 'tokenizer.ggml.add_eos_token', false) ? [eos] : [];
  if (flag(metadata, 'tokenizer.ggml.add_sep_token', addSep))
    after.push(id('seperator') ?? id('separator') ?? eos);
  const template = templateProcessing((id) => model.token(id), before, after);
  const tokenizer = new LoadedTokenizer({ ...json, post_processor: template }, added, model);
  tokenizer.bosId = bos;
  const declared = [eos, id('eot'), id('eom')].filter((end) => end !== undefined);
  tokenizer.eosIds = endTokenIds(declared, (content) => {
    const end = tokenizer.id(content);
    const type = end === undefined ? undefined : vocabulary.types[end];
    return type === tokenType.control || type === tokenType.userDefined ? end : undefined;
  });
  // Files of earlier converters name them without `fim_`.
  const [prefix, suffix, middle] = [
    id('fim_pre') ?? id('prefix'),
    id('fim_suf') ?? id('suffix'),
    id('fim_mid') ?? id('middle'),
  ];
  if (prefix !== undefined && suffix !== undefined && middle !== undefined)
    tokenizer.infill = { prefix, suffix, middle };
  return tokenizer;
}

function rebuild(metadata: Metadata, vocabulary: ReturnType<typeof readVocabulary>): Rebuilt {
  const model = optionalString(metadata, 'tokenizer.ggml.model');
  switch (model) {
    case 'gpt2': {
      const preset = preTokenizerPreset(optionalString(metadata, 'tokenizer.ggml.pre') ?? 'default');
      const rebuilt = byteLevelBpe(metadata, vocabulary, preset);
      return { ...rebuilt, addBos: preset.addBos === true, addSep: preset.addSep === true };
    }
    case 'llama': {
      const prefix = flag(metadata, 'tokenizer.ggml.add_space_prefix', true);
      return { ...sentencePiece(metadata, vocabulary, prefix), addBos: true, addSep: false };
    }
    case 'bert':
      return {
        ...wordPiece(vocabulary, flag(metadata, 'tokenizer.ggml.normalizer.lowercase', undefined)),
        addBos: true,
        addSep: true,
      };
    case undefined:
      throw new FormatError(
        'tokenizer.ggml.model: got nothing, expected a tokenizer. The file holds no tokenizer; use another file of this model.',
      );
    default:
      throw new UnsupportedError(
        `tokenizer.ggml.model: the tokenizer ${JSON.stringify(model)} is not supported (supported: gpt2, llama, bert). Use the model's tokenizer.json (safetensors).`,
      );
  }
}

/** Special tokens around a text. A file that wants a token it does not name gets none. */
function templateProcessing(
  token: (id: number) => string | undefined,
  before: readonly (number | undefined)[],
  after: readonly (number | undefined)[],
): Json {
  const special = (ids: readonly (number | undefined)[]) =>
    ids.filter((id) => id !== undefined).map((id) => ({ SpecialToken: { id: token(id), type_id: 0 } }));
  return {
    type: 'TemplateProcessing',
    single: [...special(before), { Sequence: { id: 'A', type_id: 0 } }, ...special(after)],
  };
}
