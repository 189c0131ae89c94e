/** Tokenizers from a Hugging Face folder: `tokenizer.json` with its companion files. */

import { addedTokensFromJson } from './added-tokens.ts';
import { endTokenIds } from './end-tokens.ts';
import { idAt, isObject, objectAt, type Json } from './json-access.ts';
import { LoadedTokenizer } from './loaded-tokenizer.ts';
import { readModel } from './model-vocabulary.ts';
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
  const added = addedTokensFromJson(tokenizerJson.added_tokens);
  const model = objectAt(tokenizerJson.model, 'tokenizer.json model');
  const tokenizer = new LoadedTokenizer(tokenizerJson, added, readModel(model, added));
  const named = (key: string) => tokenizer.id(tokenText(config[key]) ?? '');
  tokenizer.bosId = named('bos_token') ?? generationIds(generationConfig, 'bos_token_id')[0];
  const eos = named('eos_token');
  const declared = [...(eos === undefined ? [] : [eos]), ...generationIds(generationConfig, 'eos_token_id')];
  const addedIds = new Map(added.map((token) => [token.content, token.id]));
  tokenizer.eosIds = endTokenIds(declared, (content) => addedIds.get(content));
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
