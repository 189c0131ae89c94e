/** Tokenizers from a Hugging Face folder: `tokenizer.json` with its companion files. */

import { endTokenIds } from './end-tokens.ts';
import { idAt, isObject, type Json } from './json-access.ts';
import { LoadedTokenizer } from './loaded-tokenizer.ts';
import { jsonSource } from './model-vocabulary.ts';
import type { Tokenizer } from './tokenizer-types.ts';

/**
 * @param tokenizerJson parsed `tokenizer.json`; not kept, not changed.
 * @param config parsed `tokenizer_config.json`: names bos and eos.
 * @param generationConfig parsed `generation_config.json`: may name more end tokens.
 * @throws FormatError where the files contradict themselves; UnsupportedError for parts this version lacks.
 */
export function tokenizerFromJson(
  tokenizerJson: Record<string, unknown>,
  config: Record<string, unknown> = {},
  generationConfig: Record<string, unknown> = {},
): Tokenizer {
  const tokenizer = new LoadedTokenizer(tokenizerJson, jsonSource);
  const named = (key: string) => tokenizer.id(tokenText(config[key]) ?? '');
  tokenizer.bosId = named('bos_token') ?? generationIds(generationConfig, 'bos_token_id')[0];
  const eos = named('eos_token');
  const declared = [...(eos === undefined ? [] : [eos]), ...generationIds(generationConfig, 'eos_token_id')];
  tokenizer.eosIds = endTokenIds(declared, (content) => addedId(tokenizer, tokenizerJson, content));
  return tokenizer;
}

/** tokenizer_config.json writes a token as its text or as an object with `content`. */
export function tokenText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return isObject(value) && typeof value.content === 'string' ? value.content : undefined;
}

function generationIds(config: Json, key: string): number[] {
  const value = config[key];
  if (value === undefined || value === null) return [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((id) => idAt(id, `generation_config.json ${key}`));
}

function addedId(tokenizer: Tokenizer, json: Json, content: string): number | undefined {
  const added = Array.isArray(json.added_tokens) ? (json.added_tokens as unknown[]) : [];
  return added.some((token) => isObject(token) && token.content === content)
    ? tokenizer.id(content)
    : undefined;
}
