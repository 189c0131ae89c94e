import { CapacityError, RequestError } from '@steelyard/core';
import { describe, expect, it } from 'vitest';
import { createStubModel } from './stub-model.ts';
import type { GenerateEvent } from './types.ts';

async function collect(events: AsyncIterable<GenerateEvent>) {
  const all: GenerateEvent[] = [];
  for await (const event of events) all.push(event);
  const text = all.flatMap((e) => (e.type === 'text' ? [e.text] : [])).join('');
  const finish = all.at(-1);
  if (finish?.type !== 'finish') throw new Error('no finish event');
  return { all, text, finish };
}

const user = (content: string) => [{ role: 'user', content }];

describe('stub model', () => {
  it('echoes the last message, a token per word', async () => {
    const model = createStubModel();
    const { text, finish, all } = await collect(model.chat(user('one two three')));
    expect(text).toBe('one two three');
    expect(finish).toMatchObject({ reason: 'stop', usage: { promptTokens: 4, completionTokens: 4 } });
    expect(all.filter((e) => e.type === 'text')).toHaveLength(3);
    expect(model.stats()).toMatchObject({ running: 0, promptTokensTotal: 4, completionTokensTotal: 4 });
  });

  it('honours maxTokens and stop strings', async () => {
    const model = createStubModel();
    expect(await collect(model.chat(user('a b c'), { maxTokens: 2 }))).toMatchObject({
      text: 'a b',
      finish: { reason: 'length', usage: { completionTokens: 2 } },
    });
    expect(await collect(model.chat(user('one two three'), { stop: ['wo th'] }))).toMatchObject({
      text: 'one t',
      finish: { reason: 'stop', stop: 'wo th' },
    });
    expect(await collect(model.chat(user('a'), { maxTokens: 0 }))).toMatchObject({
      text: '',
      finish: { reason: 'length', usage: { completionTokens: 0 } },
    });
  });

  it('streams whole characters', async () => {
    const { all, text } = await collect(createStubModel().chat(user('naïve 🦊!')));
    expect(text).toBe('naïve 🦊!');
    for (const event of all) if (event.type === 'text') expect(event.text).not.toMatch(/\ufffd/);
  });

  it('reports log-probabilities of answer and prompt', async () => {
    const model = createStubModel();
    const { all } = await collect(
      model.complete('up and down', { logprobs: 2, promptLogprobs: true, maxTokens: 1 }),
    );
    expect(all[0]).toMatchObject({ type: 'promptLogprobs', tokens: [{ text: ' and' }, { text: ' down' }] });
    const text = all[1];
    if (text?.type !== 'text') throw new Error('no text');
    expect(text.logprobs).toHaveLength(1);
    expect(text.logprobs?.[0]).toMatchObject({ text: 'up' });
    expect(text.logprobs?.[0]?.top).toHaveLength(2);
    expect(text.logprobs?.[0]?.logprob).toBeLessThan(0);
  });

  it('ends by its signal, by its reader and by dispose', async () => {
    const model = createStubModel({ delayMs: 1 });
    const controller = new AbortController();
    const long = 'word '.repeat(1000);
    let seen = 0;
    for await (const event of model.chat(user(long), { signal: controller.signal })) {
      if (++seen === 2) controller.abort();
      if (event.type === 'finish') expect(event.reason).toBe('abort');
    }
    expect(seen).toBeLessThan(10);
    for await (const event of model.chat(user(long))) if (event.type === 'text') break;
    expect(model.stats().running).toBe(0);
    const last = collect(model.chat(user(long)));
    await model.dispose();
    expect((await last).finish.reason).toBe('abort');
    await expect(collect(model.chat(user('a')))).rejects.toThrow(RequestError);
  });

  it('refuses what does not fit on the first next', async () => {
    const model = createStubModel({ contextLength: 3 });
    const events = model.complete('one two three four')[Symbol.asyncIterator]();
    await expect(events.next()).rejects.toThrow(CapacityError);
    await expect(collect(model.complete('a', { logprobs: 21 }))).rejects.toThrow(/logprobs is 21/);
  });

  it('keeps ids and texts together', () => {
    const model = createStubModel();
    for (const text of ['plain words here', ' é\n\n日本 x ', '']) {
      expect(model.detokenize(model.tokenize(text))).toBe(text);
    }
  });
});
