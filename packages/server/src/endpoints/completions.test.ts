import type { GenerateEvent, GenerateOptions, LanguageModel } from '@steelyard/engine';
import { createStubModel } from '@steelyard/engine/testing';
import { describe, expect, it } from 'vitest';
import { fakeModel, type FakeOptions } from '../../test/fake-model.ts';
import { events, post } from '../../test/requests.ts';
import { providerOf } from '../model-provider.ts';
import { completionResponseSchema, type CompletionResponse } from '../schemas/completion-response.ts';
import { createServer } from '../server.ts';

function serverWith(options: FakeOptions = {}) {
  const model = fakeModel(options);
  const { app } = createServer({ models: providerOf([model]), chatPage: false });
  return { model, complete: (body: object) => post(app, '/v1/completions', { model: 'fake', ...body }) };
}

async function whole(response: Response): Promise<CompletionResponse> {
  expect(response.status).toBe(200);
  return completionResponseSchema.parse(await response.json());
}

/** The answer with this log-probability of each token, and with it as its text. */
async function* scored(events: AsyncIterable<GenerateEvent>, logprob: number): AsyncGenerator<GenerateEvent> {
  for await (const event of events) {
    if (event.type !== 'text') yield event;
    else {
      const logprobs = (event.logprobs ?? []).map((token) => ({ ...token, logprob }));
      yield { ...event, text: String(logprob), logprobs };
    }
  }
}

async function errorOf(response: Response) {
  const body = (await response.json()) as { error: Record<string, unknown> };
  return { status: response.status, ...body.error };
}

describe('completions', () => {
  it('continues a text, 16 tokens unless told otherwise', async () => {
    const { complete, model } = serverWith();
    const body = await whole(await complete({ prompt: 'Once upon a time' }));
    expect(body.id).toMatch(/^cmpl-/);
    expect(body.choices).toEqual([{ index: 0, text: 'Hello world!', logprobs: null, finish_reason: 'stop' }]);
    expect(body.usage).toMatchObject({ prompt_tokens: 4, completion_tokens: 3 });
    expect(model.asked[0]).toMatchObject({ prompt: 'Once upon a time', options: { maxTokens: 16 } });
  });

  it.each([
    ['texts', ['a', 'b'], ['a', 'b']],
    ['token ids', [1, 2, 3], [[1, 2, 3]]],
    ['lists of token ids', [[1], [2, 3]], [[1], [2, 3]]],
  ])('takes %s, n choices each', async (_, prompt, asked) => {
    const { complete, model } = serverWith();
    const body = await whole(await complete({ prompt, n: 2, seed: 5 }));
    expect(model.asked.map((one) => one.prompt)).toEqual(asked.flatMap((one) => [one, one]));
    expect(model.asked.map((one) => one.options.sampling?.seed)).toEqual(asked.flatMap(() => [5, 6]));
    expect(body.choices.map((choice) => choice.index)).toEqual(
      asked.flatMap((_one, i) => [2 * i, 2 * i + 1]),
    );
    const promptTokens = asked.reduce((sum, one) => sum + one.length, 0);
    expect(body.usage!.prompt_tokens).toBe(promptTokens);
  });

  it('echoes the prompt, with its log-probabilities and offsets', async () => {
    const { complete, model } = serverWith({ pieces: ['x', 'yz'] });
    const body = await whole(await complete({ prompt: 'pq', echo: true, logprobs: 1 }));
    expect(model.asked[0]!.options).toMatchObject({ promptLogprobs: true, logprobs: 1 });
    expect(body.choices[0]!.text).toBe('pqxyz');
    expect(body.choices[0]!.logprobs).toEqual({
      tokens: ['p', 'q', 'x', 'yz'],
      token_logprobs: [null, -2, -0.5, -0.5],
      top_logprobs: [null, { q: -2 }, { alt0: -0.5, x: -0.5 }, { alt0: -0.5, yz: -0.5 }],
      text_offset: [0, 1, 2, 3],
    });
  });

  it('echoes token ids as their text, also without an answer', async () => {
    const { complete } = serverWith();
    const body = await whole(await complete({ prompt: [72, 73], echo: true, max_tokens: 0 }));
    expect(body.choices[0]).toMatchObject({ text: 'HI', finish_reason: 'length' });
  });

  it('echoes special tokens of token ids, as their log-probabilities have them', async () => {
    const { app } = createServer({ models: providerOf([createStubModel()]), chatPage: false });
    const [hello] = createStubModel().tokenize(' hello');
    const ask = { model: 'stub', prompt: [0, hello, 0], echo: true, max_tokens: 0, logprobs: 1 };
    const [choice] = (await whole(await post(app, '/v1/completions', ask))).choices;
    const { tokens, text_offset: offsets } = choice!.logprobs!;
    expect(tokens).toHaveLength(3);
    expect(choice!.text).toBe(tokens.join(''));
    expect(offsets.every((offset) => offset <= choice!.text.length)).toBe(true);
  });

  it('gives the likeliest of several answers, best first', async () => {
    const base = fakeModel();
    const values = [-2, -0.1, -3, -0.5, -1, -9];
    const model = {
      ...base,
      complete(prompt: string, options: GenerateOptions) {
        const logprob = values[base.asked.length]!;
        return scored(base.complete(prompt, options), logprob);
      },
    } as LanguageModel;
    const { app } = createServer({ models: providerOf([model]), chatPage: false });
    const ask = { model: 'fake', prompt: ['a', 'b'], n: 2, best_of: 3, seed: 7 };
    const body = await whole(await post(app, '/v1/completions', ask));
    expect(base.asked.map(({ options }) => [options.sampling?.seed, options.logprobs])).toEqual(
      ['a', 'b'].flatMap(() => [7, 8, 9].map((seed) => [seed, 0])),
    );
    // What is computed is counted, the prompts once.
    expect(body.usage).toMatchObject({ prompt_tokens: 2, completion_tokens: 18 });
    expect(body.choices.map(({ index, text, logprobs }) => [index, text, logprobs])).toEqual(
      ['-0.1', '-2', '-0.5', '-1'].map((text, i) => [i, text.repeat(3), null]),
    );
  });

  it('has empty log-probabilities where a stop text ends the answer at once', async () => {
    const { complete } = serverWith({ pieces: [] });
    for (const [logprobs, top_logprobs] of [
      [1, []],
      [0, null],
    ]) {
      const body = await whole(await complete({ prompt: 'a', logprobs }));
      expect(body.choices[0]!.logprobs).toEqual({
        ...{ tokens: [], token_logprobs: [], top_logprobs, text_offset: [] },
      });
    }
  });

  it('streams the same pieces, echo first', async () => {
    const { complete } = serverWith({ pieces: ['a', 'b'] });
    const response = await complete({
      prompt: ['1', '2'],
      echo: true,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await events<CompletionResponse>(response);
    for (const chunk of chunks) completionResponseSchema.parse(chunk);
    const text = (index: number) =>
      chunks
        .flatMap((chunk) => chunk.choices)
        .filter((choice) => choice.index === index)
        .map((choice) => choice.text)
        .join('');
    expect([text(0), text(1)]).toEqual(['1ab', '2ab']);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 2, completion_tokens: 4 } });
    expect(chunks.flatMap((chunk) => chunk.choices).filter((choice) => choice.finish_reason)).toHaveLength(2);
  });

  it('fills in before a suffix where the model can', async () => {
    const model = fakeModel();
    const asked: string[][] = [];
    const infills = {
      ...model,
      infill(before: string, after: string) {
        asked.push([before, after]);
        return { prompt: [7, 8, 9], endTokens: [5] };
      },
    };
    const { app } = createServer({ models: providerOf([infills]), chatPage: false });
    const ask = (body: object) => post(app, '/v1/completions', { model: 'fake', suffix: 'end', ...body });
    const whole = (await (await ask({ prompt: ['a', 'b'], echo: true })).json()) as CompletionResponse;
    expect(whole.choices.map(({ text }) => text)).toEqual(['aHello world!', 'bHello world!']);
    expect(asked).toEqual([
      ['a', 'end'],
      ['b', 'end'],
    ]);
    expect(model.asked[0]).toMatchObject({ prompt: [7, 8, 9], options: { endTokens: [5] } });
    const chunks = await events<CompletionResponse>(await ask({ prompt: 'a', stream: true }));
    expect(chunks.map(({ choices }) => choices[0]?.text ?? '').join('')).toBe('Hello world!');
    await ask({ prompt: 'a', suffix: '' });
    expect(model.asked.at(-1)).toMatchObject({ prompt: 'a' });
    expect(model.asked.at(-1)!.options).not.toHaveProperty('endTokens');
    expect(await errorOf(await ask({ prompt: [1, 2] }))).toMatchObject({ status: 400, param: 'prompt' });
    const scored = await ask({ prompt: 'a', echo: true, logprobs: 1 });
    expect(await errorOf(scored)).toMatchObject({ status: 400, param: 'echo' });
  });

  it.each([
    ['no prompt', {}, 'prompt', 'missing_required_parameter'],
    ['an empty list', { prompt: [] }, 'prompt', 'array_below_min_length'],
    ['a mixed list', { prompt: ['a', 1] }, 'prompt[1]', 'invalid_type'],
    ['an object', { prompt: {} }, 'prompt', 'invalid_type'],
    ['a negative id', { prompt: [1, -1] }, 'prompt[1]', 'integer_below_min_value'],
    ['an id outside the vocabulary', { prompt: [[1], [2, 100]] }, 'prompt[1][1]', 'invalid_value'],
    [
      'a suffix where the model has no marks',
      { prompt: 'a', suffix: 'b' },
      'suffix',
      'unsupported_parameter',
    ],
    ['fewer tries than choices', { prompt: 'a', n: 3, best_of: 2 }, 'best_of', 'invalid_value'],
    ['the best as a stream', { prompt: 'a', best_of: 2, stream: true }, 'best_of', 'invalid_value'],
    ['too many tries', { prompt: ['a', 'b'], best_of: 129 }, 'prompt', 'invalid_value'],
    ['too many choices', { prompt: ['a', 'b', 'c'], n: 100 }, 'prompt', 'invalid_value'],
    ['many logprobs', { prompt: 'a', logprobs: 6 }, 'logprobs', 'integer_above_max_value'],
    ['logprobs of chat', { prompt: 'a', logprobs: true }, 'logprobs', 'invalid_type'],
  ])('refuses %s', async (_, body, param, code) => {
    const { complete } = serverWith();
    expect(await errorOf(await complete(body))).toMatchObject({ status: 400, param, code });
  });
});
