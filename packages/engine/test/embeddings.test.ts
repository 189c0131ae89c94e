/** Vectors of texts: the goldens' hidden states pooled, whatever shares a step, and what is refused. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CapacityError, RequestError } from '@steelyard/core';
import { openModel } from '@steelyard/formats/node';
import type { Backend } from '@steelyard/graph';
import { loadModel, type Pooling } from '@steelyard/models';
import { afterAll, describe, expect, it } from 'vitest';
import { EmbeddingEngine, type EmbeddingEngineOptions } from '../src/embeddings/embedding-engine.ts';
import { createEmbeddingModel } from '../src/embeddings/embedding-model.ts';
import { backends } from './golden-model.ts';
import { printableTokenizer } from './printable-tokenizer.ts';

const root = join(import.meta.dirname, '../../../tests/golden/models');

interface GoldenJson {
  readonly hiddenSize: number;
  readonly prompts: readonly {
    readonly tokens: readonly number[];
    readonly continuation: readonly number[];
  }[];
}

interface Golden {
  readonly texts: readonly (readonly number[])[];
  /** Rows [tokens, hidden] of each text. */
  readonly rows: readonly (readonly Float32Array[])[];
}

function readGolden(name: string): Golden {
  const { hiddenSize, prompts } = JSON.parse(
    readFileSync(join(root, name, 'golden.json'), 'utf8'),
  ) as GoldenJson;
  const bytes = readFileSync(join(root, name, 'logits.f32'));
  const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  let at = 0;
  const take = (): Float32Array => values.subarray(at, (at += hiddenSize));
  const texts = prompts.map(({ tokens, continuation }) => [...tokens, ...continuation]);
  return { texts, rows: texts.map((text) => text.map(take)) };
}

function pooled(rows: readonly Float32Array[], pooling: Pooling): number[] {
  const width = rows[0]?.length ?? 0;
  const picks = { cls: rows.slice(0, 1), last: rows.slice(-1), mean: rows };
  const pick: readonly Float32Array[] = picks[pooling];
  return Array.from(
    { length: width },
    (_, i) => pick.reduce((sum, row) => sum + (row[i] as number), 0) / pick.length,
  );
}

function scaled(vector: readonly number[]): number[] {
  const length = Math.hypot(...vector);
  return vector.map((x) => x / length);
}

function expectClose(got: Float32Array | undefined, want: readonly number[]): void {
  const largest = Math.max(...want.map(Math.abs));
  expect(got).toHaveLength(want.length);
  want.forEach((value, i) => expect(Math.abs((got?.[i] ?? NaN) - value)).toBeLessThan(1e-4 * largest));
}

async function open(
  name: string,
  backend: Backend,
  options: Partial<EmbeddingEngineOptions> = {},
): Promise<{ engine: EmbeddingEngine; pooling: Pooling }> {
  const common = { pageSize: 4, kvDType: 'f32' } as const;
  const model = loadModel(openModel(join(root, name)), { ...common, output: 'hidden' });
  const pooling = model.pooling as Pooling;
  return {
    engine: await EmbeddingEngine.create(model, backend, { ...common, pooling, ...options }),
    pooling,
  };
}

const golden = ['bert/mean', 'bert/cls', 'nomic-bert/published', 'qwen3/embedding'];

for (const [name, create] of Object.entries(backends)) {
  describe(`on ${name}`, () => {
    const backend = create();
    afterAll(() => backend.dispose());

    it.each(golden)('%s gives what the golden pools to, scaled and not', async (model) => {
      const { texts, rows } = readGolden(model);
      const { engine, pooling } = await open(model, backend);
      const unit = await engine.embed(texts);
      const plain = await engine.embed(texts, { normalise: false });
      const short = await engine.embed(texts, { dimensions: 5 });
      rows.forEach((of, i) => {
        const want = pooled(of, pooling);
        expectClose(plain[i], want);
        expectClose(unit[i], scaled(want));
        expectClose(short[i], scaled(want.slice(0, 5)));
      });
      await engine.dispose();
    });

    it.each(golden)('%s gives the same alone, together and in small steps', async (model) => {
      const { texts } = readGolden(model);
      const many = [...texts, ...texts.map((text) => text.toReversed()), ...texts];
      const { engine } = await open(model, backend);
      const together = await engine.embed(many);
      for (const [i, text] of many.entries()) expect(await engine.embed([text])).toEqual([together[i]]);
      const calls = await Promise.all(many.map((text) => engine.embed([text])));
      expect(calls.flat()).toEqual(together);
      await engine.dispose();
      // An encoder's texts do not come in parts, so its steps are at least as long as they may be.
      const small = await open(model, backend, { maxBatchTokens: 6, maxSequences: 2, contextLength: 40 });
      (await small.engine.embed(many)).forEach((vector, i) => expectClose(vector, [...(together[i] ?? [])]));
      await small.engine.dispose();
    });
  });
}

describe('an embedding model', () => {
  const backend = backends['reference']?.() as Backend;

  it('takes texts and token ids, and counts tokens', async () => {
    const { engine, pooling } = await open('bert/mean', backend, { contextLength: 16 });
    let closed = 0;
    const info = { name: 'tiny', pooling } as never;
    const model = createEmbeddingModel({
      info,
      tokenizer: printableTokenizer(72),
      engine,
      onDispose: () => closed++,
    });
    const ids = model.tokenize('abc');
    const { vectors, promptTokens } = await model.embed(['abc', ids, 'b']);
    expect(vectors[1]).toEqual(vectors[0]);
    expect(vectors[2]).not.toEqual(vectors[0]);
    expect(promptTokens).toBe(2 * ids.length + model.tokenize('b').length);
    expect(await model.embed([])).toEqual({ vectors: [], promptTokens: 0 });
    await Promise.all([model.dispose(), model.dispose()]);
    expect(closed).toBe(1);
    await expect(model.embed(['abc'])).rejects.toThrow(/disposed/);
  });

  it('refuses what it cannot take, whole calls at a time', async () => {
    const { engine } = await open('bert/mean', backend, { contextLength: 16 });
    const long = Array.from({ length: 17 }, () => 1);
    for (const [texts, options, type, word] of [
      [[[1], []], {}, RequestError, /text 1 has no tokens/],
      [[[72]], {}, RequestError, /token id 72, expected ids from 0 to 71/],
      [[[1.5]], {}, RequestError, /1.5/],
      [[[1], long], {}, CapacityError, /text 1 has 17 tokens at least, the model takes 16/],
      [[[1]], { dimensions: 33 }, RequestError, /from 1 to 32/],
      [[[1]], { dimensions: 0 }, RequestError, /dimensions is 0/],
    ] as const) {
      const call = engine.embed(texts, options);
      await expect(call).rejects.toBeInstanceOf(type);
      await expect(call).rejects.toThrow(word);
    }
    expect(await engine.embed([long.slice(1)])).toHaveLength(1);
    await engine.dispose();
  });

  it('lets go of what is aborted or disposed, and goes on with the rest', async () => {
    const { engine } = await open('bert/mean', backend);
    const stop = new AbortController();
    const [kept, dropped] = [engine.embed([[1, 2]]), engine.embed([[3], [4]], { signal: stop.signal })];
    stop.abort(new Error('enough'));
    await expect(dropped).rejects.toThrow('enough');
    expect(await kept).toHaveLength(1);
    await expect(engine.embed([[1]], { signal: stop.signal })).rejects.toThrow('enough');
    const waiting = engine.embed([[1, 2]]);
    const gone = engine.dispose();
    await expect(waiting).rejects.toThrow(/disposed while/);
    await gone;
  });
});
