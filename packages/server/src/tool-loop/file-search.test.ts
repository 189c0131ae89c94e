/** Responses with `file_search`, over a model whose words the test decides. */

import { createStubEmbeddingModel, createStubModel } from '@steelyard/engine/testing';
import type { ChatMessage } from '@steelyard/text';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { errorOf, keptServer, type KeptServer } from '../../test/kept-server.ts';
import { namedEvents } from '../../test/requests.ts';
import { calling, storeOf } from '../../test/searched-store.ts';
import { providerOf } from '../model-provider.ts';
import { DEFAULT_LIMITS } from '../options.ts';
import { responseEventSchema, type ResponseEvent } from '../schemas/response-events.ts';
import { responseSchema, type ResponseObject } from '../schemas/response-object.ts';

/** What the model says, by what it is asked. */
let say: (messages: readonly ChatMessage[]) => string;
const asked: (readonly ChatMessage[])[] = [];
const reply = (messages: readonly ChatMessage[]) => {
  asked.push(messages);
  return say(messages);
};
const models = [
  createStubModel({ name: 'caller', marks: '<tool_call>', reply }),
  createStubModel({ name: 'plain', reply }),
];
let server: KeptServer;
let store: string;
let danube: string;

beforeAll(async () => {
  const embeddingModels = providerOf([createStubEmbeddingModel({ name: 'vectors', dimensions: 64 })]);
  server = await keptServer(models, { embeddingModels });
  const made = await storeOf(server.app, {
    'danube.txt': 'The Danube flows into the Black Sea.',
    'fruit.txt': 'Apples and pears are fruits.',
  });
  store = made.id;
  danube = made.fileIds[0]!;
}, 120_000);
afterAll(() => server?.close());
beforeEach(() => {
  asked.length = 0;
});

const searching = (query: string) => (messages: readonly ChatMessage[]) =>
  messages.at(-1)!.role === 'tool' ? 'Into the Black Sea [1]. Not [7].' : calling('file_search', { query });

const request = (body: object = {}) => ({
  model: 'caller',
  input: 'Where does the Danube end?',
  tools: [{ type: 'file_search', vector_store_ids: [store], max_num_results: 1 }],
  ...body,
});
const ask = (body: object = {}) => server.post('/v1/responses', request(body));

async function whole(body: object = {}): Promise<ResponseObject> {
  const response = await ask(body);
  const answer: unknown = await response.json();
  expect(response.status, JSON.stringify(answer)).toBe(200);
  expect(responseSchema.parse(answer)).toEqual(answer);
  return answer as ResponseObject;
}

async function streamed(body: object = {}): Promise<ResponseEvent[]> {
  const events = await namedEvents<ResponseEvent>(await ask({ stream: true, ...body }));
  for (const event of events) expect(responseEventSchema.parse(event)).toEqual(event);
  expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, i) => i));
  return events;
}

const types = (events: readonly ResponseEvent[]) => events.map(({ type }) => type.replace('response.', ''));
const withoutIds = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (key, one: unknown) =>
      ['id', 'item_id', 'created_at', 'completed_at', 'sequence_number'].includes(key) ? '' : one,
    ),
  );
const citation = () => ({ type: 'file_citation', index: 18, file_id: danube, filename: 'danube.txt' });

describe('file search', () => {
  it('is run when the model calls it, and what is cited becomes annotations', async () => {
    say = searching('Danube sea');
    const answer = await whole({ include: ['file_search_call.results'] });
    expect(answer.status).toBe('completed');
    expect(answer.output).toMatchObject([
      {
        type: 'file_search_call',
        status: 'completed',
        queries: ['Danube sea'],
        results: [{ file_id: danube, filename: 'danube.txt', text: 'The Danube flows into the Black Sea.' }],
      },
      {
        type: 'message',
        content: [{ text: 'Into the Black Sea. Not [7].', annotations: [citation()] }],
      },
    ]);
    expect(asked).toHaveLength(2);
    const [, call, result] = asked[1]!;
    expect(call).toMatchObject({ role: 'assistant', tool_calls: [{ function: { name: 'file_search' } }] });
    expect(result!.content).toContain('[1] danube.txt\nThe Danube flows into the Black Sea.');
    expect(result!.tool_call_id).toBe(call!.tool_calls![0]!.id);
    // Both times that the model spoke count.
    expect(answer.usage!.output_tokens).toBeGreaterThan(12);
    expect(answer.tools).toMatchObject([{ type: 'file_search', max_num_results: 1, filters: null }]);
  });

  it('streams the same', async () => {
    say = searching('Danube sea');
    const events = await streamed();
    expect(types(events).filter((type) => !type.endsWith('delta'))).toEqual([
      'created',
      'in_progress',
      'output_item.added',
      'file_search_call.in_progress',
      'file_search_call.searching',
      'file_search_call.completed',
      'output_item.done',
      'output_item.added',
      'content_part.added',
      'output_text.annotation.added',
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'completed',
    ]);
    const [added] = events.flatMap((event) =>
      event.type === 'response.output_text.annotation.added' ? [event] : [],
    );
    expect(added).toMatchObject({ annotation: citation(), annotation_index: 0, output_index: 1 });
    const deltas = events.flatMap((event) =>
      event.type === 'response.output_text.delta' ? event.delta : [],
    );
    expect(deltas.join('')).toBe('Into the Black Sea. Not [7].');
    const last = events.at(-1) as Extract<ResponseEvent, { type: 'response.completed' }>;
    expect(withoutIds(last.response)).toEqual(withoutIds(await whole()));
    // Not asked for.
    expect(last.response.output[0]).toMatchObject({ results: null });
  });

  it('comes first for a model that can be told of no tools, by the last words of the user', async () => {
    say = () => 'The Black Sea [1].';
    const answer = await whole({
      model: 'plain',
      input: [
        { role: 'user', content: 'Hello' },
        { role: 'assistant', content: 'Hello.' },
        { role: 'user', content: 'Where does the Danube flow?' },
      ],
    });
    expect(answer.output).toMatchObject([
      { type: 'file_search_call', queries: ['Where does the Danube flow?'] },
      { content: [{ text: 'The Black Sea.', annotations: [{ file_id: danube }] }] },
    ]);
    expect(asked).toHaveLength(1);
    expect(asked[0]!.at(-1)!.content).toMatch(/^\[1\] danube\.txt[^]*Where does the Danube flow\?$/);
  });

  it('comes first where the choice names it, or where the answer is held to a schema', async () => {
    say = () => 'The Black Sea [1].';
    const chosen = await whole({ tool_choice: { type: 'file_search' } });
    expect(chosen.output).toMatchObject([
      { type: 'file_search_call', queries: ['Where does the Danube end?'] },
      { content: [{ annotations: [{ file_id: danube }] }] },
    ]);
    expect(asked[0]!.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool']);
    say = () => '{"sea": "Black"}';
    const schema = { type: 'object', properties: { sea: { type: 'string' } }, required: ['sea'] };
    const held = await whole({ text: { format: { type: 'json_schema', name: 'sea', schema } } });
    expect(held.output.map(({ type }) => type)).toEqual(['file_search_call', 'message']);
  });

  it('is not made where the choice leaves it out', async () => {
    say = () => 'I do not know [1].';
    for (const [model, tool_choice] of [
      ['plain', 'none'],
      ['caller', 'none'],
      ['plain', { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'f' }] }],
    ]) {
      const { output } = await whole({ model, tool_choice });
      expect(output).toMatchObject([{ type: 'message', content: [{ text: 'I do not know [1].' }] }]);
    }
  });

  it('is part of the answer that is counted in, and makes one call where only one may be made', async () => {
    const embeddingModels = providerOf([createStubEmbeddingModel({ name: 'vectors', dimensions: 64 })]);
    const small = await server.successor(models, {
      limits: { ...DEFAULT_LIMITS, concurrentRequests: 1 },
      embeddingModels,
    });
    server = small;
    say = (messages) =>
      messages.at(-1)!.role === 'tool' ? 'Done.' : calling('file_search', { query: 'a' }).repeat(2);
    const { output } = await whole({ parallel_tool_calls: false });
    expect(output).toMatchObject([{ type: 'file_search_call', status: 'completed' }, { type: 'message' }]);
    expect(await (await server.get('/metrics')).text()).toContain(
      'steelyard_tool_calls_total{source="file_search",outcome="completed"} 1',
    );
  });

  it('leaves functions of the caller to the caller, and runs its own of the same turn', async () => {
    const weather = { type: 'function', name: 'weather', parameters: { type: 'object' } };
    say = (messages) =>
      messages.at(-1)!.role === 'tool'
        ? 'Sunny at the sea [1].'
        : calling('file_search', { query: 'Danube' }) + calling('weather', { city: 'Sulina' });
    const tools = [...request().tools, weather];
    const first = await whole({ tools, include: ['file_search_call.results'] });
    expect(first.output).toMatchObject([
      { type: 'file_search_call', status: 'completed' },
      { type: 'function_call', name: 'weather' },
    ]);
    expect(asked).toHaveLength(1);
    const [, call] = first.output as [unknown, { call_id: string }];
    const second = await whole({
      tools,
      previous_response_id: first.id,
      input: [{ type: 'function_call_output', call_id: call.call_id, output: 'Sunny' }],
    });
    expect(asked[1]!.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant', 'tool']);
    // What was found before has the number that it had.
    expect(second.output).toMatchObject([
      { content: [{ text: 'Sunny at the sea.', annotations: [{ file_id: danube }] }] },
    ]);
  });

  it('tells the model and the item what went wrong', async () => {
    say = (messages) =>
      messages.at(-1)!.role === 'tool' ? 'I cannot search.' : calling('file_search', { question: 1 });
    const answer = await whole();
    expect(answer).toMatchObject({
      status: 'completed',
      output: [{ type: 'file_search_call', status: 'failed', queries: [] }, { type: 'message' }],
    });
    expect(asked[1]!.at(-1)!.content).toContain('Expected {"query"');
  });

  it('ends with the calls that are allowed, and after so many rounds', async () => {
    say = () => calling('file_search', { query: 'more' });
    const limited = await whole({ max_tool_calls: 2 });
    expect(limited.output.map(({ type }) => type)).toEqual(['file_search_call', 'file_search_call']);
    expect(asked.at(-1)!.at(-1)!.content).toContain('no more calls');
    expect(limited.max_tool_calls).toBe(2);
    asked.length = 0;
    await whole();
    expect(asked).toHaveLength(16);
  });

  it('counts tokens over all rounds', async () => {
    say = searching('Danube');
    const { usage } = await whole();
    const cut = await whole({ max_output_tokens: usage!.output_tokens - 3 });
    expect(cut).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } });
    expect(cut.usage!.output_tokens).toBe(usage!.output_tokens - 3);
  });

  it('is kept, gone on from, told anew and computed in the background', async () => {
    say = searching('Danube');
    const first = await whole();
    const kept = (await (await server.get(`/v1/responses/${first.id}`)).json()) as ResponseObject;
    expect(kept).toEqual(first);
    const told = await namedEvents<ResponseEvent>(await server.get(`/v1/responses/${first.id}?stream=true`));
    for (const event of told) expect(responseEventSchema.parse(event)).toEqual(event);
    expect(types(told)).toContain('file_search_call.searching');
    expect(types(told)).toContain('output_text.annotation.added');
    say = () => 'Yes.';
    await whole({ previous_response_id: first.id, input: 'Sure?' });
    // Marks that were taken out are not shown again.
    expect(asked.at(-1)!.map(({ content }) => content)).toEqual([
      'Where does the Danube end?',
      'Into the Black Sea. Not [7].',
      'Sure?',
    ]);
    say = searching('Danube');
    const events = await streamed({ background: true });
    expect(types(events)).toContain('file_search_call.completed');
    expect(types(events).at(-1)).toBe('completed');
  });
});

describe('what is refused', () => {
  const tool = (more: object) => ({ tools: [{ type: 'file_search', vector_store_ids: [store], ...more }] });

  it('a store that is not there, or of another project', async () => {
    const none = await errorOf(await ask(tool({ vector_store_ids: [store, 'vs_none'] })));
    expect(none).toMatchObject({
      status: 404,
      param: 'tools[0].vector_store_ids',
      code: 'vector_store_not_found',
    });
    const other = server.storage().project('proj_other');
    const foreign = await other.vectorStores.create({
      ...{ name: '', description: null, metadata: {}, model: 'vectors', expiresDays: null },
    });
    expect(await errorOf(await ask(tool({ vector_store_ids: [foreign.id] })))).toMatchObject({ status: 404 });
  });

  it.each<[string, object, string]>([
    ['no store', { vector_store_ids: [] }, 'tools[0].vector_store_ids'],
    ['too many results', { max_num_results: 51 }, 'tools[0].max_num_results'],
    ['a ranker of the endpoint', { ranking_options: { ranker: 'none' } }, 'tools[0].ranking_options.ranker'],
    ['a filter of no kind', { filters: { type: 'like', key: 'a', value: 1 } }, 'tools[0].filters.type'],
  ])('%s', async (_, more, param) => {
    expect(await errorOf(await ask(tool(more)))).toMatchObject({ status: 400, param });
  });

  it('two searches', async () => {
    const [one] = request().tools;
    expect(await errorOf(await ask({ tools: [one, one] }))).toMatchObject({ status: 400, param: 'tools[1]' });
  });
});
