/** OpenAI's Agents SDK against the server over a socket: over responses and over chat completions, unpatched. */

import {
  Agent,
  OpenAIChatCompletionsModel,
  OpenAIResponsesModel,
  run,
  setTracingDisabled,
  tool,
} from '@openai/agents';
import { createStubModel } from '@steelyard/engine/testing';
import { createServer, providerOf, type SteelyardServer } from '@steelyard/server';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';

/** Calls the only tool that it has, be it a handoff; then says what it was told. */
const model = createStubModel({
  name: 'agent',
  marks: '<tool_call> <think> </think>',
  reply(given) {
    const last = given.at(-1)!;
    if (last.role === 'tool' && !(last.content as string).includes('assistant'))
      return `It says: ${last.content as string}`;
    // For tools that are strict, a grammar says what comes once the call begins; handoffs need not be.
    return '<think> I need help. </think> <tool_call> {"name": "transfer_to_meteorologist", "arguments": {}} </tool_call>';
  },
});
let server: SteelyardServer;
let client: OpenAI;

beforeAll(async () => {
  setTracingDisabled(true);
  server = createServer({ models: providerOf([model]), port: 0, chatPage: false, limits: { drainMs: 0 } });
  const { url } = await server.listen();
  client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
});

afterAll(() => server.close());

describe.each([
  ['responses', () => new OpenAIResponsesModel(client, 'agent')],
  ['chat completions', () => new OpenAIChatCompletionsModel(client, 'agent')],
])('over %s', (_, modelOf) => {
  const asked: string[] = [];
  const weather = tool({
    name: 'weather',
    description: 'The weather now.',
    parameters: z.object({ city: z.enum(['Oslo']) }),
    strict: true,
    execute({ city }) {
      asked.push(city);
      return 'Rain.';
    },
  });
  const meteorologist = () =>
    new Agent({
      name: 'meteorologist',
      instructions: 'Tell the weather.',
      model: modelOf(),
      modelSettings: { toolChoice: 'auto' },
      tools: [weather],
    });

  it('an agent calls its tool and answers', async () => {
    asked.length = 0;
    const { finalOutput } = await run(meteorologist(), 'Weather in Oslo?');
    expect(finalOutput).toBe('It says: Rain.');
    expect(asked).toEqual(['Oslo']);
  });

  it('streams', async () => {
    const streamed = await run(meteorologist(), 'Weather in Oslo?', { stream: true });
    let text = '';
    for await (const piece of streamed.toTextStream()) text += piece;
    await streamed.completed;
    expect(text).toBe('It says: Rain.');
  });

  it('hands over to another agent', async () => {
    const front = Agent.create({
      name: 'front desk',
      instructions: 'Hand over.',
      model: modelOf(),
      handoffs: [meteorologist()],
    });
    const { finalOutput, lastAgent } = await run(front, 'Weather in Oslo?');
    expect(finalOutput).toBe('It says: Rain.');
    expect(lastAgent?.name).toBe('meteorologist');
  });
});
