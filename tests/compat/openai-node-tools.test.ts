/** Tools that the server runs, by OpenAI's official Node SDK over a socket: its types, and its own reading of streams. */

import { createStubModel } from '@steelyard/engine/testing';
import { parseMcpServers, providerOf } from '@steelyard/server';
import type { ChatMessage } from '@steelyard/text';
import { toFile } from 'openai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startToolServer, type ToolServer } from '../../packages/server/test/mcp-server.ts';
import { startKeptServer, type KeptOverSocket } from './kept-over-socket.ts';

const call = (name: string, args: object) =>
  `<tool_call>${JSON.stringify({ name, arguments: args })}</tool_call>`;

/** Calls the tool that the last words of the user name, and says what it gave. */
function reply(messages: readonly ChatMessage[]): string {
  const { role, content } = messages.at(-1)!;
  if (role === 'tool') {
    const [first, second] = (content as string).split('\n');
    return `It says [1]: ${second ?? first}`;
  }
  return content === '20 + 22?' ? call('add', { a: 20, b: 22 }) : call('file_search', { query: content });
}

let kept: KeptOverSocket;
let toolServer: ToolServer;
let store: string;
beforeAll(async () => {
  toolServer = await startToolServer();
  const numbers = { url: toolServer.url };
  kept = await startKeptServer({
    mcpServers: parseMcpServers({ mcpServers: { numbers } }, 'test'),
    models: providerOf([createStubModel({ name: 'stub', marks: '<tool_call>', reply })]),
  });
  const { vectorStores } = kept.client;
  ({ id: store } = await vectorStores.create({ name: 'rivers' }));
  const file = await toFile(Buffer.from('The Danube flows into the Black Sea.'), 'danube.txt');
  await vectorStores.files.uploadAndPoll(store, file, { pollIntervalMs: 50 });
}, 120_000);
afterAll(async () => {
  await kept?.close();
  await toolServer?.close();
});

it('searches files and cites them, streaming', async () => {
  const stream = kept.client.responses.stream({
    model: 'stub',
    input: 'Where does the Danube end?',
    tools: [{ type: 'file_search', vector_store_ids: [store] }],
    include: ['file_search_call.results'],
  });
  const seen: string[] = [];
  const cited: unknown[] = [];
  for await (const event of stream) {
    seen.push(event.type);
    if (event.type === 'response.output_text.annotation.added') cited.push(event.annotation);
  }
  expect(seen).toContain('response.file_search_call.searching');
  const response = await stream.finalResponse();
  const [search, message] = response.output;
  if (search?.type !== 'file_search_call' || message?.type !== 'message') throw new Error('other items');
  expect(search.results![0]).toMatchObject({ filename: 'danube.txt' });
  const [part] = message.content;
  if (part?.type !== 'output_text') throw new Error('no text');
  expect(part.annotations).toEqual(cited);
  expect(cited).toMatchObject([{ type: 'file_citation', index: 7, filename: 'danube.txt' }]);
  expect(response.output_text).toMatch(/^It says: /);
});

it('calls tools of an MCP server once they are approved, streaming', async () => {
  const { responses } = kept.client;
  const tools = [{ type: 'mcp' as const, server_label: 'numbers', server_url: toolServer.url }];
  const asking = responses.stream({ model: 'stub', input: '20 + 22?', tools });
  const first = await asking.finalResponse();
  const [list, request] = first.output;
  if (list?.type !== 'mcp_list_tools' || request?.type !== 'mcp_approval_request')
    throw new Error('other items');
  expect(list.tools.map(({ name }) => name)).toContain('add');
  expect(request).toMatchObject({ name: 'add', server_label: 'numbers' });
  expect(toolServer.called).toEqual([]);
  const stream = responses.stream({
    ...{ model: 'stub', tools, previous_response_id: first.id },
    input: [{ type: 'mcp_approval_response', approval_request_id: request.id, approve: true }],
  });
  const seen: string[] = [];
  for await (const { type } of stream) seen.push(type);
  expect(seen).toEqual(
    expect.arrayContaining([
      ...['response.mcp_call.in_progress', 'response.mcp_call_arguments.delta'],
      ...['response.mcp_call_arguments.done', 'response.mcp_call.completed'],
    ]),
  );
  const second = await stream.finalResponse();
  expect(second.output[0]).toMatchObject({ type: 'mcp_call', output: '42', approval_request_id: request.id });
  expect(second.output_text).toBe('It says [1]: 42');
});

it('refuses to connect where a request likes', async () => {
  const tool = { type: 'mcp' as const, server_label: 'evil', server_url: 'http://169.254.169.254/' };
  const asked = kept.client.responses.create({ model: 'stub', input: 'x', tools: [tool] });
  await expect(asked).rejects.toMatchObject({ status: 400, param: 'tools[0].server_label' });
});
