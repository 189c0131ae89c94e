/** Vercel's AI SDK against the server over a socket, by its OpenAI provider (responses, chat) and the compatible one. */

import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { createStubModel } from '@steelyard/engine/testing';
import { providerOf } from '@steelyard/server';
import {
  embedMany,
  generateObject,
  generateText,
  stepCountIs,
  streamText,
  tool,
  type LanguageModel,
} from 'ai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startKeptServer, type KeptOverSocket } from './kept-over-socket.ts';

const caller = createStubModel({
  name: 'caller',
  marks: '<tool_call> <think> </think>',
  reply: (given) => {
    const last = given.at(-1)!;
    if (last.role === 'tool') return `It says: ${last.content as string}`;
    return '<think> Let me ask. </think><tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>';
  },
});
// With storage, as `steelyard serve` has it: the provider sends ids of items that it had from responses.
let server: KeptOverSocket;

beforeAll(async () => {
  server = await startKeptServer({ models: providerOf([createStubModel({ name: 'stub' }), caller]) });
}, 60_000);

afterAll(() => server?.close());

const openai = () => createOpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none' });
const compatible = () =>
  createOpenAICompatible({
    name: 'steelyard',
    baseURL: `${server.url}/v1`,
    includeUsage: true,
    supportsStructuredOutputs: true,
  });

const tools = {
  weather: tool({
    description: 'The weather now.',
    inputSchema: z.object({ city: z.string() }),
    execute: ({ city }) => `Rain in ${city}.`,
  }),
};

describe.each<[string, (name: string) => LanguageModel]>([
  ['openai, responses', (name) => openai().responses(name)],
  ['openai, chat', (name) => openai().chat(name)],
  ['openai-compatible', (name) => compatible()(name)],
])('%s', (_, model) => {
  it('generates text', async () => {
    const { text, usage, finishReason } = await generateText({ model: model('stub'), prompt: 'Grüße 🎉' });
    expect(text).toBe('Grüße 🎉');
    expect(finishReason).toBe('stop');
    expect(usage.outputTokens).toBeGreaterThan(1);
  });

  it('streams text', async () => {
    const { textStream, usage } = streamText({ model: model('stub'), prompt: 'naïve 漢字 🎉' });
    let text = '';
    for await (const piece of textStream) text += piece;
    expect(text).toBe('naïve 漢字 🎉');
    expect((await usage).outputTokens).toBeGreaterThan(3);
  });

  it('runs tools until there is an answer, whole and streaming', async () => {
    const ask = { model: model('caller'), prompt: 'Weather in Oslo?', tools, stopWhen: stepCountIs(3) };
    const { text, steps } = await generateText(ask);
    expect(text).toBe('It says: Rain in Oslo.');
    expect(steps[0]!.toolCalls).toMatchObject([{ toolName: 'weather', input: { city: 'Oslo' } }]);
    expect(await streamText(ask).text).toBe('It says: Rain in Oslo.');
  });

  it('generates objects under a schema', async () => {
    const schema = z.object({ ok: z.boolean(), size: z.enum(['s', 'm']) });
    const { object } = await generateObject({ model: model('stub'), schema, prompt: 'x' });
    expect(schema.parse(object)).toEqual(object);
  });
});

it('embeds', async () => {
  const { embeddings } = await embedMany({ model: openai().embedding('vectors'), values: ['one', 'two'] });
  expect(embeddings).toHaveLength(2);
});
