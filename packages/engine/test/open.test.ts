import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CapacityError, NotFoundError, RequestError, UnsupportedError } from '@steelyard/core';
import { afterAll, describe, expect, it } from 'vitest';
import type { GenerateEvent } from '../src/index.ts';
import { describeModel, openLanguageModel } from '../src/node/index.ts';
import { collect } from './collect.ts';
import { backends } from './golden-model.ts';
import { writeLetterModel } from './letter-model.ts';

const hex64 = expect.stringMatching(/^[0-9a-f]{64}$/) as string;
const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

const letters = writeLetterModel();
const base = writeLetterModel(false);
afterAll(() => {
  letters.remove();
  base.remove();
});

const options = { maxTokens: 8, sampling: { temperature: 0 } };
const messages = [{ role: 'user', content: 'hello' }];

describe('openLanguageModel', () => {
  it('gives a model that chats, completes and says what it is', async () => {
    const model = await openLanguageModel(letters.folder, { backend: 'reference', name: 'letters' });
    expect(model.info).toEqual({
      name: 'letters',
      architecture: 'llama',
      parameterCount: expect.any(Number) as number,
      quantisation: 'f32',
      contextLength: 256,
      vocabSize: 72,
      backend: 'reference',
      kvDType: 'f32',
      chatTemplate: expect.stringContaining('<|start|>assistant') as string,
      hasChatTemplate: true,
      callsTools: false,
      reasons: false,
    });
    const first = await collect(model.chat(messages, options));
    expect(first.finish.usage.promptTokens).toBe(1 + 1 + 10 + 1 + 1 + 1 + 10);
    const again = await collect(model.chat(messages, options));
    expect(again.tokens).toEqual(first.tokens);
    expect(model.detokenize(first.tokens)).toBe(first.text);
    const ids = model.tokenize('abc');
    expect(ids[0]).toBe(0);
    const [byText, byIds] = [model.complete('abc', options), model.complete(ids, options)];
    expect((await collect(byText)).tokens).toEqual((await collect(byIds)).tokens);
    expect(model.stats().memory.kv).toBeGreaterThan(0);
    await model.dispose();
    await model.dispose();
    await expect(collect(model.complete('abc'))).rejects.toThrow(/disposed/);
  });

  it('refuses a prompt far beyond the context without reading it to its end', async () => {
    const model = await openLanguageModel(letters.folder, { backend: 'reference' });
    const long = 'hello '.repeat(50_000);
    // With special tokens in them, messages are read in sections.
    const spelled = '<|end|>hello '.repeat(20_000);
    const refusals = [
      collect(model.complete(long)),
      collect(model.chat([{ role: 'user', content: long }])),
      collect(model.chat([{ role: 'user', content: spelled }])),
    ];
    for (const refusal of refusals) {
      const error = (await refusal.catch((one: unknown) => one)) as Error;
      expect(error).toBeInstanceOf(CapacityError);
      const tokens = Number(/has (\d+) tokens at least/.exec(error.message)?.[1]);
      expect(tokens).toBeGreaterThan(256);
      expect(tokens).toBeLessThan(10_000);
    }
    expect(() => model.countTokens([{ role: 'user', content: long }])).toThrow(/more than the 256 tokens/);
    expect(model.tokenize(long).length).toBeLessThan(10_000);
    await model.dispose();
  });

  it('takes the best backend, and says when that is not the fastest', async () => {
    const notices: string[] = [];
    const model = await openLanguageModel(letters.folder, { onNotice: (notice) => notices.push(notice) });
    expect(model.info.backend).toBe('cpu' in backends ? 'cpu' : 'reference');
    expect(notices.length > 0).toBe(!('cpu' in backends));
    expect((await collect(model.chat(messages, options))).finish.usage.completionTokens).toBeGreaterThan(0);
    await model.dispose();
  });

  it('refuses a chat without a template, on the first next', async () => {
    const model = await openLanguageModel(base.folder, { backend: 'reference', name: 'base' });
    expect(model.info.hasChatTemplate).toBe(false);
    await expect(collect(model.chat(messages))).rejects.toThrow(RequestError);
    expect((await collect(model.complete('a', options))).finish.usage.completionTokens).toBeGreaterThan(0);
    await model.dispose();
  });

  it('plans memory from a budget, and refuses what does not fit with numbers', async () => {
    const open = (more: object) => openLanguageModel(letters.folder, { backend: 'reference', ...more });
    const short = await open({ contextLength: 100 });
    expect(short.info.contextLength).toBe(100);
    await expect(collect(short.complete(Array.from({ length: 100 }, () => 5)))).rejects.toThrow(
      CapacityError,
    );
    await short.dispose();
    await expect(open({ memoryBytes: 1000 })).rejects.toThrow(/weights 0\.1 MiB/);
  });

  it('is described as it will be, and takes the memory that it was described with', async () => {
    const described = describeModel(letters.folder, { backend: 'reference', name: 'letters' });
    const { memoryBytes } = described;
    const model = await openLanguageModel(letters.folder, {
      backend: 'reference',
      name: 'letters',
      memoryBytes,
    });
    expect(described).toEqual({ kind: 'language', info: model.info, memoryBytes });
    const { weights, kv } = model.stats().memory;
    expect(weights + kv).toBeLessThanOrEqual(memoryBytes);
    await model.dispose();
    const tooSmall = { backend: 'reference', availableBytes: memoryBytes - weights - kv } as const;
    expect(() => describeModel(letters.folder, tooSmall)).toThrow(CapacityError);
  });

  it('traces an answer so that it can be computed again, alone or beside others', async () => {
    const model = await openLanguageModel(letters.folder, { backend: 'reference', name: 'letters' });
    const ask = { maxTokens: 8, trace: true };
    const run = (events: AsyncIterable<GenerateEvent>) => collect(events).then(({ finish }) => finish.trace!);
    const busy = await Promise.all(
      ['hello', 'bye', 'once upon a time', 'x'].map((content) =>
        run(model.chat([{ role: 'user', content }], ask)),
      ),
    );
    // A seed was given to each by the engine, and differs.
    expect(new Set(busy.map(({ options: { sampling } }) => sampling.seed)).size).toBe(4);
    for (const trace of busy) {
      expect(trace.answer.length).toBeGreaterThan(0);
      const again = await run(model.complete(trace.prompt, { ...trace.options, trace: true }));
      expect(again).toEqual(trace);
    }
    expect((await collect(model.chat(messages, options))).finish).not.toHaveProperty('trace');
    const origin = await model.origin!();
    expect(origin).toEqual({ weights: hex64, template: hex64 });
    await model.dispose();
  });

  it('has the digest that it was opened with, and else that of its files as the store computes it', async () => {
    const digest = 'd'.repeat(64);
    const told = await openLanguageModel(base.folder, { backend: 'reference', digest });
    expect(await told.origin!()).toEqual({ weights: digest });
    await told.dispose();
    const read = await openLanguageModel(base.folder, { backend: 'reference' });
    const lines = readdirSync(base.folder).map(
      (name) => `${sha256(readFileSync(join(base.folder, name)))}  ${name}\n`,
    );
    expect((await read.origin!()).weights).toBe(sha256(lines.sort().join('')));
    await read.dispose();
  });

  it('refuses what is not there or not supported', async () => {
    await expect(openLanguageModel('/nowhere/model.gguf')).rejects.toThrow(NotFoundError);
    await expect(openLanguageModel(letters.folder, { backend: 'abacus' as never })).rejects.toThrow(
      UnsupportedError,
    );
    await expect(
      openLanguageModel(letters.folder, { backend: 'reference', kvDType: 'q4_0' as 'f16' }),
    ).rejects.toThrow(/keeps no cache in q4_0/);
  });
});
