import { CapacityError, NotFoundError, RequestError, UnsupportedError } from '@steelyard/core';
import { afterAll, describe, expect, it } from 'vitest';
import { describeModel, openLanguageModel } from '../src/node/index.ts';
import { collect } from './collect.ts';
import { backends } from './golden-model.ts';
import { writeLetterModel } from './letter-model.ts';

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
      hasChatTemplate: true,
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

  it('refuses what is not there or not supported', async () => {
    await expect(openLanguageModel('/nowhere/model.gguf')).rejects.toThrow(NotFoundError);
    await expect(openLanguageModel(letters.folder, { backend: 'abacus' as never })).rejects.toThrow(
      UnsupportedError,
    );
    await expect(
      openLanguageModel(letters.folder, { backend: 'reference', kvDType: 'q4_0' }),
    ).rejects.toThrow(/keeps no cache in q4_0/);
  });
});
