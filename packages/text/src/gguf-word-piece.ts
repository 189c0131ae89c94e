/** WordPiece (`tokenizer.ggml.model` = bert), rebuilt from GGUF metadata. */

import { addedTokens, type RebuiltModel } from './gguf-bpe.ts';
import { tokenType, type GgufVocabulary } from './gguf-metadata.ts';

/** @param lowercase whether case is dropped, where the file says so */
export function wordPiece(file: GgufVocabulary, lowercase?: boolean): RebuiltModel {
  const tokens = file.tokens.map(asWordPiece);
  const ordinary = tokens.filter((token, id) => file.types[id] === tokenType.normal && !isBracketed(token));
  const normalizer = {
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    // Most files do not say. An uncased vocabulary has no capitals, but for those that have no lower case.
    lowercase: lowercase ?? ordinary.every((token) => token === token.toLowerCase()),
  };
  const model = {
    type: 'WordPiece',
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
  };
  return {
    json: {
      normalizer,
      pre_tokenizer: { type: 'BertPreTokenizer' },
      decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    },
    added: addedTokens(file.types, (id) => tokens[id]!),
    vocabulary: {
      model,
      size: tokens.length,
      token: (id) => tokens[id],
      ids: new Map(tokens.map((token, id) => [token, id])),
    },
  };
}

/** GGUF marks where a word begins, WordPiece where it goes on; both leave `[CLS]` and its like alone. */
function asWordPiece(token: string): string {
  if (isBracketed(token)) return token;
  return token.startsWith('\u2581') ? token.slice(1) : `##${token}`;
}

function isBracketed(token: string): boolean {
  return token.startsWith('[') && token.endsWith(']');
}
