/** Scores of a cross-encoder against transformers', from safetensors and from GGUF, whatever shares a step. */

import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CapacityError, FormatError, RequestError, UnsupportedError } from '@steelyard/core';
import { ggufPieces, type GgufTensor, type TypedValue } from '@steelyard/formats';
import { openModel } from '@steelyard/formats/node';
import { afterAll, describe, expect, it } from 'vitest';
import { describeModel, openEmbeddingModel } from '../src/node/index.ts';

const published = join(import.meta.dirname, '../../../tests/golden/rerank/bert');
const folder = mkdtempSync(join(tmpdir(), 'steelyard-rerank-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Golden {
  readonly query: string;
  readonly pairs: readonly { document: string; tokens: number[]; score: number }[];
}
const golden = JSON.parse(readFileSync(join(published, 'golden.json'), 'utf8')) as Golden;
const documents = golden.pairs.map(({ document }) => document);

const text = (value: string): TypedValue => ({ type: 'string', value });
const count = (value: number): TypedValue => ({ type: 'u32', value });

/** Names of GGUF by those of the published file. */
const NAMES: readonly [RegExp, string][] = [
  [/^bert\.embeddings\.word_embeddings/, 'token_embd'],
  [/^bert\.embeddings\.position_embeddings/, 'position_embd'],
  [/^bert\.embeddings\.token_type_embeddings/, 'token_types'],
  [/^bert\.embeddings\.LayerNorm/, 'token_embd_norm'],
  [/^bert\.encoder\.layer\.(\d+)\.attention\.self\.query/, 'blk.$1.attn_q'],
  [/^bert\.encoder\.layer\.(\d+)\.attention\.self\.key/, 'blk.$1.attn_k'],
  [/^bert\.encoder\.layer\.(\d+)\.attention\.self\.value/, 'blk.$1.attn_v'],
  [/^bert\.encoder\.layer\.(\d+)\.attention\.output\.dense/, 'blk.$1.attn_output'],
  [/^bert\.encoder\.layer\.(\d+)\.attention\.output\.LayerNorm/, 'blk.$1.attn_output_norm'],
  [/^bert\.encoder\.layer\.(\d+)\.intermediate\.dense/, 'blk.$1.ffn_up'],
  [/^bert\.encoder\.layer\.(\d+)\.output\.dense/, 'blk.$1.ffn_down'],
  [/^bert\.encoder\.layer\.(\d+)\.output\.LayerNorm/, 'blk.$1.layer_output_norm'],
  [/^bert\.pooler\.dense/, 'cls'],
  [/^classifier/, 'cls.output'],
];

const ggufName = (name: string): string =>
  NAMES.reduce((known, [pattern, to]) => known.replace(pattern, to), name);

/** The published model as a GGUF file with rank pooling. @param without what a converter left out */
function asGguf(name: string, without?: RegExp): string {
  const file = openModel(published);
  const { vocab } = (
    JSON.parse(readFileSync(join(published, 'tokenizer.json'), 'utf8')) as {
      model: { vocab: Record<string, number> };
    }
  ).model;
  const words = Object.keys(vocab);
  const isSpecial = (word: string) => word.startsWith('[') && word.endsWith(']') && word.length > 2;
  const tokens = words.map((word) =>
    isSpecial(word) ? word : word.startsWith('##') ? word.slice(2) : `\u2581${word}`,
  );
  const types = words.map((word) => (isSpecial(word) ? 3 : 1));
  const metadata: [string, TypedValue][] = [
    ['general.architecture', text('bert')],
    ['bert.context_length', count(64)],
    ['bert.embedding_length', count(32)],
    ['bert.feed_forward_length', count(40)],
    ['bert.block_count', count(2)],
    ['bert.attention.head_count', count(4)],
    ['bert.attention.layer_norm_epsilon', { type: 'f32', value: 1e-12 }],
    ['bert.attention.causal', { type: 'bool', value: false }],
    ['bert.pooling_type', count(4)],
    ['bert.classifier.output_labels', { type: 'array', of: 'string', value: ['LABEL_0'] }],
    ['tokenizer.ggml.model', text('bert')],
    ['tokenizer.ggml.tokens', { type: 'array', of: 'string', value: tokens }],
    ['tokenizer.ggml.token_type', { type: 'array', of: 'i32', value: types }],
    ['tokenizer.ggml.cls_token_id', count(vocab['[CLS]']!)],
    ['tokenizer.ggml.seperator_token_id', count(vocab['[SEP]']!)],
    ['tokenizer.ggml.unknown_token_id', count(vocab['[UNK]']!)],
  ];
  const tensors = [...file.tensors]
    .map(([known, data]): GgufTensor => ({
      ...{ name: ggufName(known), dtype: data.dtype, shape: data.shape },
      bytes: () => [data.bytes()],
    }))
    .filter((tensor) => !without?.test(tensor.name));
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat([...ggufPieces(Object.fromEntries(metadata), tensors)]));
  file.close();
  return path;
}

const logit = (p: number): number => Math.log(p / (1 - p));

describe.each([
  ['safetensors', () => published],
  ['GGUF', () => asGguf('whole.gguf')],
])('a cross-encoder from %s', (_, path) => {
  it.each(['reference', 'cpu'] as const)('scores as transformers does on %s', async (backend) => {
    const model = await openEmbeddingModel(path(), { backend });
    try {
      expect(model.info).toMatchObject({ ranks: true, architecture: 'bert', contextLength: 64 });
      const { scores, promptTokens } = await model.score!(golden.query, documents);
      scores.forEach((score, i) => expect(logit(score)).toBeCloseTo(golden.pairs[i]!.score, 4));
      expect(promptTokens).toBe(golden.pairs.reduce((sum, { tokens }) => sum + tokens.length, 0));
      for (const [i, document] of documents.entries()) {
        const alone = await model.score!(golden.query, [document]);
        expect(alone.scores[0]).toBeCloseTo(scores[i]!, 6);
      }
    } finally {
      await model.dispose();
    }
  });

  it('is described as what it is', () => {
    expect(describeModel(path())).toMatchObject({ kind: 'embedding', info: { ranks: true, dimensions: 1 } });
  });
});

it('makes no vectors, and says that a pair is too long', async () => {
  const model = await openEmbeddingModel(published, { backend: 'reference' });
  await expect(model.embed(['a'])).rejects.toThrow(RequestError);
  await expect(model.score!('a '.repeat(40), ['b '.repeat(40)])).rejects.toThrow(CapacityError);
  const gone = AbortSignal.abort();
  await expect(model.score!('a', ['b'], { signal: gone })).rejects.toThrow();
  await model.dispose();
  await expect(model.score!('a', ['b'])).rejects.toThrow(/disposed/);
});

it('is refused without its head, or with several labels', async () => {
  const path = asGguf('headless.gguf', /^cls\.(weight|bias)/);
  await expect(openEmbeddingModel(path, { backend: 'reference' })).rejects.toThrow(FormatError);
  for (const name of ['model.safetensors', 'tokenizer.json'])
    copyFileSync(join(published, name), join(folder, name));
  const config = JSON.parse(readFileSync(join(published, 'config.json'), 'utf8')) as object;
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, id2label: { 0: 'no', 1: 'yes' } }));
  const several = openEmbeddingModel(folder, { backend: 'reference' });
  await expect(several).rejects.toThrow(UnsupportedError);
  await expect(several).rejects.toThrow(/2 labels/);
});
