/** WordPiece (`tokenizer.ggml.model` = bert) as a tokenizer.json. */

import { tokenType, type GgufVocabulary } from './gguf-metadata.ts';
import type { Json } from './json-access.ts';

export function wordPieceJson(file: GgufVocabulary): Json {
  const vocab = Object.create(null) as Record<string, number>;
  const added: Json[] = [];
  let cased = false;
  file.tokens.forEach((written, id) => {
    const bracketed = written.startsWith('[') && written.endsWith(']');
    const token = bracketed ? written : asWordPiece(written);
    vocab[token] = id;
    const type = file.types[id];
    if (type === tokenType.control || type === tokenType.unknown) {
      added.push({ id, content: token, special: true, normalized: false });
    } else if (!bracketed && /\p{Lu}/u.test(token)) {
      cased = true;
    }
  });
  return {
    added_tokens: added,
    // The file does not say whether case counts; an uncased vocabulary has no capitals.
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: !cased,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      vocab,
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
    },
  };
}

/** GGUF marks where a word begins, WordPiece where it goes on. */
function asWordPiece(token: string): string {
  return token.startsWith('\u2581') ? token.slice(1) : `##${token}`;
}
