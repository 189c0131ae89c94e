/** Tools that the server runs, by OpenAI's official Node SDK over a socket: its types, and its own reading of streams. */

import { createStubModel } from '@steelyard/engine/testing';
import { providerOf } from '@steelyard/server';
import type { ChatMessage } from '@steelyard/text';
import { toFile } from 'openai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startKeptServer, type KeptOverSocket } from './kept-over-socket.ts';

const call = (name: string, args: object) =>
  `<tool_call>${JSON.stringify({ name, arguments: args })}</tool_call>`;

/** Calls the tool that the last words of the user name, and says what it gave. */
function reply(messages: readonly ChatMessage[]): string {
  const { role, content } = messages.at(-1)!;
  if (role === 'tool') return `It says [1]: ${(content as string).split('\n').at(1)}`;
  return call('file_search', { query: content });
}

let kept: KeptOverSocket;
let store: string;
beforeAll(async () => {
  kept = await startKeptServer({
    models: providerOf([createStubModel({ name: 'stub', marks: '<tool_call>', reply })]),
  });
  const { vectorStores } = kept.client;
  ({ id: store } = await vectorStores.create({ name: 'rivers' }));
  const file = await toFile(Buffer.from('The Danube flows into the Black Sea.'), 'danube.txt');
  await vectorStores.files.uploadAndPoll(store, file, { pollIntervalMs: 50 });
}, 120_000);
afterAll(() => kept?.close());

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
