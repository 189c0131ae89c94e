/** The server as an MCP server, by the client of `@modelcontextprotocol/sdk` over a socket. */

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { createStubEmbeddingModel, createStubModel } from '@steelyard/engine/testing';
import { createServer, providerOf, type SteelyardServer } from '@steelyard/server';
import { afterAll, beforeAll, expect, it } from 'vitest';

let server: SteelyardServer;
let url: string;
let client: Client;

const clientWith = async (key: string): Promise<Client> => {
  const made = new Client({ name: 'test', version: '1' });
  const requestInit = { headers: { authorization: `Bearer ${key}` } };
  await made.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit }));
  return made;
};

beforeAll(async () => {
  server = createServer({
    models: providerOf([createStubModel({ name: 'stub' })]),
    embeddingModels: providerOf([createStubEmbeddingModel({ name: 'vectors' })]),
    port: 0,
    chatPage: false,
    apiKey: 'sesame',
    limits: { drainMs: 0 },
  });
  ({ url } = await server.listen());
  client = await clientWith('sesame');
});

afterAll(async () => {
  await client?.close();
  await server.close();
});

async function call(name: string, args: Record<string, unknown> = {}) {
  const { content, isError } = await client.callTool({ name, arguments: args });
  return { text: (content as { text: string }[])[0]!.text, isError: isError ?? false };
}

it('lists its tools', async () => {
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toEqual(['list_models', 'generate', 'embed', 'rerank']);
});

it('generates, embeds and reranks', async () => {
  expect((await call('list_models')).text).toContain('"vectors"');
  expect(await call('generate', { model: 'stub', prompt: 'Grüße 🎉' })).toEqual({
    text: 'Grüße 🎉',
    isError: false,
  });
  const { data } = JSON.parse((await call('embed', { model: 'vectors', input: ['a', 'b'] })).text) as {
    data: unknown[];
  };
  expect(data).toHaveLength(2);
  const ranked = await call('rerank', { model: 'vectors', query: 'a', documents: ['b', 'a'] });
  expect(JSON.parse(ranked.text)).toMatchObject({ results: [{ index: 1 }, { index: 0 }] });
});

it('tells what is wrong as a result that the model can read', async () => {
  const missing = await call('generate', { model: 'none', prompt: 'x' });
  expect(missing).toMatchObject({ isError: true, text: expect.stringContaining("'none'") as string });
  expect(await call('generate', { model: 'stub', prompt: 'x', temperature: 9 })).toMatchObject({
    isError: true,
  });
});

it('asks for the key', async () => {
  await expect(clientWith('guess')).rejects.toThrow();
});

it('refuses what is no message', async () => {
  const headers = { 'content-type': 'application/json', authorization: 'Bearer sesame' };
  const response = await fetch(`${url}/mcp`, { method: 'POST', headers, body: '{"id":1}' });
  expect(response.status).toBe(400);
});
