/** Reads the goldens that tests/golden/generate/tokenizers.py made. */

import { readdirSync, readFileSync } from 'node:fs';
import type { MetadataLike } from '../src/index.ts';

const folder = new URL('../../../tests/golden/tokenizers/', import.meta.url);

/** Ids; ids with special texts as plain text, without tokens around (null: the same); decoded; with special tokens. */
export type Row = [ids: number[], plain: number[] | null, decoded: string, decodedAll: string | null];

export interface TokenizerGolden {
  tokenizer: Record<string, unknown>;
  gguf?: Record<string, MetadataLike>;
  texts?: string[];
  rows: Row[];
}

export function golden<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8')) as T;
}

export function goldenNames(): string[] {
  return readdirSync(folder).map((file) => file.replace(/\.json$/, ''));
}

export const samples = golden<{ texts: string[] }>('samples').texts;
