/**
 * The real tokenizer of SmolLM2, whose vocabulary is not stored here. Runs where STEELYARD_SMOLLM2 names the GGUF
 * file of SmolLM2-135M-Instruct. The few lines of GGUF reading keep this package free of the one above it.
 */

import { closeSync, openSync, readSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  chatTemplateFromGguf,
  tokenizerFromGguf,
  type ChatMessage,
  type MetadataLike,
  type Tokenizer,
} from '../src/index.ts';
import { golden, samples, type Row } from './goldens.ts';

const path = process.env.STEELYARD_SMOLLM2;

interface SmolGolden {
  texts: string[];
  rows: Row[];
  paragraphs: Row[];
  chats: Record<string, ChatMessage[]>;
  prompts: Record<string, string>;
}

/** Metadata of a small, trusted GGUF v3 file; its head is within the first 32 MiB. */
function readMetadata(file: string): Map<string, MetadataLike> {
  const bytes = Buffer.alloc(32 << 20);
  const handle = openSync(file, 'r');
  readSync(handle, bytes, 0, bytes.length, 0);
  closeSync(handle);
  let at = 16;
  const u32 = () => bytes.readUInt32LE((at += 4) - 4);
  const u64 = () => Number(bytes.readBigUInt64LE((at += 8) - 8));
  const text = () => {
    const length = u64();
    return bytes.toString('utf8', at, (at += length));
  };
  const value = (type: number): MetadataLike => {
    if (type === 8) return text();
    if (type === 9) {
      const inner = u32();
      return Array.from({ length: u64() }, () => value(inner));
    }
    if (type === 7) return bytes[at++] === 1;
    if (type === 4) return u32();
    if (type === 5) return bytes.readInt32LE((at += 4) - 4);
    if (type === 6) return bytes.readFloatLE((at += 4) - 4);
    throw new Error(`metadata type ${type} is not in this file`);
  };
  const count = u64();
  return new Map(Array.from({ length: count }, () => [text(), value(u32())]));
}

describe.skipIf(!path)('SmolLM2', () => {
  const expected = golden<SmolGolden>('smollm2');
  let metadata: Map<string, MetadataLike>;
  let tokenizer: Tokenizer;

  beforeAll(() => {
    metadata = readMetadata(path!);
    tokenizer = tokenizerFromGguf(metadata);
  });

  it('gives the ids and texts of transformers', () => {
    const texts = [...samples, ...expected.texts];
    [...expected.rows, ...expected.paragraphs].forEach(([ids, plain, decoded, decodedAll], i) => {
      const text = texts[i]!;
      expect(tokenizer.encode(text), text).toEqual(ids);
      expect(tokenizer.encode(text, { addSpecial: false, parseSpecial: false }), text).toEqual(plain ?? ids);
      expect(tokenizer.decode(ids)).toBe(decoded);
      expect(tokenizer.decode(ids, { skipSpecial: false })).toBe(decodedAll ?? decoded);
    });
  });

  it('knows its end tokens', () => {
    expect(tokenizer.vocabSize).toBe(49152);
    expect(tokenizer.bosId).toBe(1);
    expect(tokenizer.eosIds).toEqual([0, 2]);
  });

  it.each(Object.keys(expected.chats))('renders its chat template: %s', (name) => {
    expect(chatTemplateFromGguf(metadata)!.render(expected.chats[name]!)).toBe(expected.prompts[name]);
  });
});
