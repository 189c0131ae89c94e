import { createStubModel, type StubOptions } from '@steelyard/engine/testing';
import { describe, expect, it } from 'vitest';
import { post } from '../../test/requests.ts';
import { providerOf } from '../model-provider.ts';
import type { ResponseObject } from '../schemas/response-object.ts';
import { createServer } from '../server.ts';

async function errorOf(response: Response) {
  const body = (await response.json()) as { error: Record<string, unknown> };
  return { status: response.status, ...body.error };
}

describe('counting', () => {
  const server = (options: StubOptions) => {
    const { app } = createServer({ models: providerOf([createStubModel(options)]), chatPage: false });
    const count = (body: object) =>
      post(app, '/v1/responses/input_tokens', { model: 'stub', input: 'Weather in Oslo?', ...body });
    const answer = (body: object) =>
      post(app, '/v1/responses', { model: 'stub', input: 'Weather in Oslo?', ...body });
    return { app, count, answer };
  };
  const tools = [{ type: 'function', name: 'weather', parameters: { type: 'object' } }];

  it.each([
    {},
    { instructions: 'Be kind', text: { verbosity: 'high' } },
    { tools, reasoning: null, input: [{ role: 'user', content: 'Weather in Oslo and Rome?' }] },
    { tools: [...tools, { ...tools[0], name: 'other' }], tool_choice: { type: 'function', name: 'other' } },
  ])('gives the tokens that the prompt of %j has', async (body) => {
    const { count, answer } = server({ marks: '<tool_call>', reply: () => 'No.' });
    const response = await count(body);
    expect(response.status).toBe(200);
    const { usage } = (await (await answer(body)).json()) as ResponseObject;
    expect(await response.json()).toEqual({
      object: 'response.input_tokens',
      input_tokens: usage!.input_tokens,
    });
  });

  it('refuses what a response would be refused for', async () => {
    const { count } = server({});
    for (const [body, param] of [
      [{ input: undefined }, 'input'],
      [{ tools: [{ type: 'shell' }] }, 'tools[0].type'],
      [{ temperature: 1 }, 'temperature'],
    ] as const)
      expect(await errorOf(await count(body))).toMatchObject({ status: 400, param });
  });

  it('says that nothing is compacted', async () => {
    const refused = await post(server({}).app, '/v1/responses/compact', { model: 'stub', input: 'x' });
    expect(await errorOf(refused)).toMatchObject({ status: 400, code: 'unsupported_endpoint' });
  });
});
