/** LangChain.js against the server over a socket, by its OpenAI package, unpatched. */

import { HumanMessage, type ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { createStubEmbeddingModel, createStubModel } from '@steelyard/engine/testing';
import { createServer, providerOf, type SteelyardServer } from '@steelyard/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';

const caller = createStubModel({
  name: 'caller',
  marks: '<tool_call>',
  reply: (given) => {
    const last = given.at(-1)!;
    if (last.role === 'tool') return `It says: ${last.content as string}`;
    return '<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>';
  },
});
let server: SteelyardServer;
let configuration: { baseURL: string };

beforeAll(async () => {
  server = createServer({
    models: providerOf([createStubModel({ name: 'stub' }), caller]),
    embeddingModels: providerOf([createStubEmbeddingModel({ name: 'vectors' })]),
    port: 0,
    chatPage: false,
    limits: { drainMs: 0 },
  });
  configuration = { baseURL: `${(await server.listen()).url}/v1` };
});

afterAll(() => server.close());

const weather = tool(({ city }: { city: string }) => `Rain in ${city}.`, {
  name: 'weather',
  description: 'The weather now.',
  schema: z.object({ city: z.string() }),
});

describe.each([false, true])('useResponsesApi: %s', (useResponsesApi) => {
  const chat = (model: string) =>
    new ChatOpenAI({ model, apiKey: 'none', configuration, maxRetries: 0, useResponsesApi });

  it('invokes', async () => {
    const answer = await chat('stub').invoke('Grüße 🎉');
    expect(answer.text).toBe('Grüße 🎉');
    expect(answer.usage_metadata!.output_tokens).toBeGreaterThan(1);
  });

  it('streams', async () => {
    let text = '';
    for await (const chunk of await chat('stub').stream('naïve 漢字 🎉')) text += chunk.text;
    expect(text).toBe('naïve 漢字 🎉');
  });

  it('binds tools, and takes their results back', async () => {
    const bound = chat('caller').bindTools([weather]);
    const asked = new HumanMessage('Weather in Oslo?');
    const first = await bound.invoke([asked]);
    expect(first.tool_calls).toMatchObject([{ name: 'weather', args: { city: 'Oslo' } }]);
    const [call] = first.tool_calls!;
    const result: ToolMessage = await weather.invoke({ ...call!, type: 'tool_call' });
    expect((await bound.invoke([asked, first, result])).text).toBe('It says: Rain in Oslo.');
  });

  it.each(['jsonSchema', 'functionCalling'] as const)('gives structured output by %s', async (method) => {
    const schema = z.object({ ok: z.boolean(), size: z.enum(['s', 'm']) });
    const structured = chat('caller').withStructuredOutput(schema, { name: 'shape', method });
    expect(schema.safeParse(await structured.invoke('x')).success).toBe(true);
  });
});

it('embeds', async () => {
  const embeddings = new OpenAIEmbeddings({ model: 'vectors', apiKey: 'none', configuration });
  expect(await embeddings.embedDocuments(['one', 'two'])).toHaveLength(2);
  expect(await embeddings.embedQuery('one')).toHaveLength(8);
});
