/**
 * Real answers of every endpoint that OpenAI has too, compiled against the types of its `openai` package: fields that
 * are missing, of another type, or unknown there fail, but for the extensions.
 */

import { createStubEmbeddingModel, createStubModel } from '@steelyard/engine/testing';
import { parseMcpServers, providerOf } from '@steelyard/server';
import { startToolServer, type ToolServer } from '../../../packages/server/test/mcp-server.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startKeptServer, type KeptOverSocket } from '../kept-over-socket.ts';
import { misfits, type Recording } from './compile.ts';
import { Recorder } from './recorder.ts';

const KEY = 'sk-of-the-test';
const MARKS = '<tool_call> <think> </think>';
const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>';

let kept: KeptOverSocket;
let recorder: Recorder;
let toolServer: ToolServer;

beforeAll(async () => {
  toolServer = await startToolServer();
  const models = providerOf([
    createStubModel({ name: 'stub' }),
    createStubModel({
      name: 'caller',
      marks: MARKS,
      reply: () => `<think> Oslo. </think>\n\nWell.\n${CALL}`,
    }),
    createStubModel({ name: 'slow', delayMs: 50 }),
    createStubModel({
      name: 'adder',
      marks: '<tool_call>',
      reply: (given) =>
        given.at(-1)!.role === 'tool'
          ? 'There you are.'
          : '<tool_call>{"name": "add", "arguments": {"a": 20, "b": 22}}</tool_call>',
    }),
  ]);
  const embeddingModels = providerOf([createStubEmbeddingModel({ name: 'vectors' })]);
  kept = await startKeptServer({
    models,
    embeddingModels,
    moderation: { model: 'stub' },
    mcpServers: parseMcpServers({ mcpServers: { numbers: { url: toolServer.url } } }, 'test'),
    keys: true,
    apiKey: KEY,
  });
  recorder = new Recorder(kept.url, KEY);
}, 120_000);
afterAll(async () => {
  await kept?.close();
  await toolServer?.close();
});

const messages = [{ role: 'user', content: 'Hello there, you.' }];
const parameters = { type: 'object', properties: { city: { type: 'string' } } };
const chatTools = [{ type: 'function', function: { name: 'weather', parameters } }];
const tools = [{ type: 'function', name: 'weather', parameters, strict: false }];

function form(fields: Record<string, string | File>): FormData {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  return body;
}

const sections: Record<string, () => Promise<void>> = {
  async models() {
    await recorder.get('/v1/models', 'All<OpenAI.Model>');
    await recorder.get('/v1/models/stub', 'OpenAI.Model');
    await recorder.get('/v1/models/unknown', 'Failure');
  },

  async chat() {
    const path = '/v1/chat/completions';
    const chat = { model: 'stub', messages };
    const called = { model: 'caller', messages, tools: chatTools };
    await recorder.post(path, 'OpenAI.ChatCompletion', { ...chat, n: 2, logprobs: true, top_logprobs: 2 });
    await recorder.post(path, 'OpenAI.ChatCompletion', { ...chat, max_completion_tokens: 1 });
    await recorder.post(path, 'OpenAI.ChatCompletion', called);
    const chunk = 'OpenAI.ChatCompletionChunk';
    await recorder.stream(path, chunk, { ...chat, logprobs: true, stream_options: { include_usage: true } });
    await recorder.stream(path, chunk, called);
    const older = { model: 'caller', messages, functions: [{ name: 'weather', parameters }] };
    await recorder.post(path, 'OpenAI.ChatCompletion', older);
    await recorder.stream(path, chunk, older);
    await recorder.post(path, 'Failure', { ...chat, temperature: 9 });
    const stored = { ...chat, store: true, metadata: { a: 'b' } };
    const { id } = await recorder.post(path, 'OpenAI.ChatCompletion', stored);
    await recorder.get(path, 'Page<StoredChat>');
    await recorder.get(`${path}/${id}`, 'StoredChat');
    await recorder.get(`${path}/${id}/messages`, 'Page<StoredMessage>');
    await recorder.post(`${path}/${id}`, 'StoredChat', { metadata: { a: 'c' } });
    await recorder.remove(`${path}/${id}`, 'OpenAI.ChatCompletionDeleted');
  },

  async completions() {
    const path = '/v1/completions';
    const asked = { model: 'stub', prompt: 'one two three' };
    await recorder.post(path, 'OpenAI.Completion', { ...asked, logprobs: 2 });
    // With both, the first token has null for a number, as OpenAI's own has; its types do not say so.
    await recorder.post(path, 'OpenAI.Completion', { ...asked, echo: true });
    await recorder.stream(path, 'CompletionEvent', { ...asked, stream_options: { include_usage: true } });
  },

  async embeddings() {
    const asked = { model: 'vectors', input: ['a', 'b c'] };
    await recorder.post('/v1/embeddings', 'OpenAI.CreateEmbeddingResponse', asked);
  },

  async moderations() {
    await recorder.post('/v1/moderations', 'OpenAI.ModerationCreateResponse', { input: ['a', 'b'] });
  },

  async responses() {
    const path = '/v1/responses';
    const asked = { model: 'stub', input: 'Hello there, you.' };
    const called = { model: 'caller', input: 'Weather?', tools, reasoning: {} };
    const { id } = await recorder.post(path, 'ReceivedResponse', { ...asked, metadata: { a: 'b' } });
    await recorder.post(path, 'ReceivedResponse', {
      ...asked,
      previous_response_id: id,
      max_output_tokens: 1,
    });
    await recorder.post(path, 'ReceivedResponse', { ...called, include: ['reasoning.encrypted_content'] });
    const logprobs = { include: ['message.output_text.logprobs'], top_logprobs: 1 };
    await recorder.stream(path, 'ResponseEvent', { ...asked, ...logprobs });
    const told = await recorder.stream(path, 'ResponseEvent', called);
    const kinds = ['response.reasoning_text.delta', 'response.function_call_arguments.delta'];
    expect(told.map(({ type }) => type)).toEqual(expect.arrayContaining(kinds));
    await recorder.stream(path, 'ResponseEvent', { ...asked, background: true });
    const { id: ran } = await recorder.post(path, 'ReceivedResponse', {
      ...asked,
      model: 'slow',
      background: true,
    });
    await recorder.post(`${path}/${ran}/cancel`, 'ReceivedResponse');
    await recorder.get(`${path}/${id}`, 'ReceivedResponse');
    await recorder.get(`${path}/${id}/input_items`, 'OpenAI.Responses.ResponseItemList');
    await recorder.remove(`${path}/${ran}`, "{ id: string; object: 'response'; deleted: true }");
    await recorder.get(`${path}/${ran}`, 'Failure');
  },

  async toolsOfServers() {
    const path = '/v1/responses';
    const tools = [{ type: 'mcp', server_label: 'numbers', require_approval: 'never' }];
    const asked = { model: 'adder', input: '20 + 22?', tools };
    await recorder.post(path, 'ReceivedResponse', asked);
    const events = await recorder.stream(path, 'ResponseEvent', asked);
    const types = events.map(({ type }) => type);
    expect(types).toEqual(
      expect.arrayContaining(['response.mcp_list_tools.completed', 'response.mcp_call.completed']),
    );
    const careful = { ...asked, tools: [{ ...tools[0], require_approval: 'always' }] };
    await recorder.stream(path, 'ResponseEvent', careful);
  },

  async conversations() {
    const path = '/v1/conversations';
    const said = { type: 'message', role: 'user', content: 'Hello.' };
    const type = 'OpenAI.Conversations.Conversation';
    const { id } = await recorder.post(path, type, { metadata: { a: 'b' }, items: [said] });
    await recorder.post('/v1/responses', 'ReceivedResponse', {
      model: 'caller',
      input: 'Hm?',
      tools,
      conversation: id,
    });
    await recorder.get(`${path}/${id}`, type);
    await recorder.post(`${path}/${id}`, type, { metadata: { a: 'c' } });
    const list = 'OpenAI.Conversations.ConversationItemList';
    await recorder.post(`${path}/${id}/items`, list, { items: [said] });
    const { first_id } = await recorder.get<{ first_id: string }>(`${path}/${id}/items`, list);
    await recorder.get(`${path}/${id}/items/${first_id}`, 'OpenAI.Conversations.ConversationItem');
    await recorder.remove(`${path}/${id}/items/${first_id}`, type);
    await recorder.remove(`${path}/${id}`, 'OpenAI.Conversations.ConversationDeletedResource');
  },

  async files() {
    const type = 'OpenAI.FileObject';
    const file = new File(['one\ntwo'], 'a.txt');
    const fields = {
      purpose: 'user_data',
      file,
      'expires_after[anchor]': 'created_at',
      'expires_after[seconds]': '3600',
    };
    const { id } = await recorder.post('/v1/files', type, form(fields));
    await recorder.get('/v1/files', `Page<${type}>`);
    await recorder.get(`/v1/files/${id}`, type);
    await recorder.remove(`/v1/files/${id}`, 'OpenAI.FileDeleted');
    await recorder.get(`/v1/files/${id}`, 'Failure');
  },

  async uploads() {
    const path = '/v1/uploads';
    const announced = { filename: 'b.txt', purpose: 'user_data', bytes: 4, mime_type: 'text/plain' };
    const { id } = await recorder.post(path, 'OpenAI.Upload', announced);
    const data = new File(['abcd'], 'part');
    const part = await recorder.post(`${path}/${id}/parts`, 'OpenAI.Uploads.UploadPart', form({ data }));
    await recorder.post(`${path}/${id}/complete`, 'OpenAI.Upload', { part_ids: [part.id] });
    const other = await recorder.post(path, 'OpenAI.Upload', announced);
    await recorder.post(`${path}/${other.id}/cancel`, 'OpenAI.Upload');
  },

  async batches() {
    const path = '/v1/batches';
    const endpoint = '/v1/chat/completions';
    const line = { custom_id: 'a', method: 'POST', url: endpoint, body: { model: 'stub', messages } };
    const begin = async (...lines: object[]) => {
      const file = new File([lines.map((one) => JSON.stringify(one)).join('\n')], 'in.jsonl');
      const { id } = await recorder.post('/v1/files', 'OpenAI.FileObject', form({ purpose: 'batch', file }));
      const asked = { input_file_id: id, endpoint, completion_window: '24h', metadata: { a: 'b' } };
      return recorder.post(path, 'OpenAI.Batch', asked);
    };
    const ended = ({ status }: { status: string }) => ['completed', 'failed', 'cancelled'].includes(status);
    const good = await begin(line, { ...line, custom_id: 'b', body: { ...line.body, temperature: 9 } });
    const bad = await begin({ ...line, method: 'GET' });
    const slow = Array.from({ length: 50 }, (_, i) => ({
      ...line,
      custom_id: `${i}`,
      body: { model: 'slow', messages },
    }));
    const long = await begin(...slow);
    await recorder.post(`${path}/${long.id}/cancel`, 'OpenAI.Batch');
    for (const { id } of [good, bad, long]) {
      await recorder.until(`${path}/${id}`, ended);
      await recorder.get(`${path}/${id}`, 'OpenAI.Batch');
    }
    await recorder.get(path, 'Page<OpenAI.Batch>');
  },

  async vectorStores() {
    const path = '/v1/vector_stores';
    const store = 'OpenAI.VectorStore';
    const file = 'OpenAI.VectorStores.VectorStoreFile';
    const batch = 'OpenAI.VectorStores.VectorStoreFileBatch';
    const sent = async (text: string, name: string) => {
      const fields = { purpose: 'assistants', file: new File([text], name) };
      return (await recorder.post('/v1/files', 'OpenAI.FileObject', form(fields))).id;
    };
    const [rivers, broken] = [await sent('The Danube.', 'a.txt'), await sent('%PDF-1.4 no', 'b.pdf')];
    const expiry = { expires_after: { anchor: 'last_active_at', days: 1 } };
    const { id } = await recorder.post(path, store, { name: 'rivers', metadata: { a: 'b' }, ...expiry });
    const chunking_strategy = {
      type: 'static',
      static: { max_chunk_size_tokens: 100, chunk_overlap_tokens: 0 },
    };
    await recorder.post(`${path}/${id}/files`, file, {
      file_id: rivers,
      attributes: { year: 1990 },
      chunking_strategy,
    });
    const many = await recorder.post(`${path}/${id}/file_batches`, batch, { file_ids: [broken] });
    const isDone = ({ status }: { status: string }) => status !== 'in_progress';
    for (const one of [rivers, broken]) await recorder.until(`${path}/${id}/files/${one}`, isDone);
    for (const one of [rivers, broken]) await recorder.get(`${path}/${id}/files/${one}`, file);
    await recorder.get(`${path}/${id}/file_batches/${many.id}`, batch);
    await recorder.get(`${path}/${id}/file_batches/${many.id}/files`, `Page<${file}>`);
    await recorder.get(`${path}/${id}/files`, `Page<${file}>`);
    await recorder.post(`${path}/${id}/files/${rivers}`, file, { attributes: { year: 2000, wet: true } });
    const contents =
      "{ object: 'vector_store.file_content.page'; data: OpenAI.VectorStores.FileContentResponse[]; has_more: boolean; next_page: string | null }";
    await recorder.get(`${path}/${id}/files/${rivers}/content`, contents);
    const found =
      "{ object: 'vector_store.search_results.page'; search_query: string[]; data: OpenAI.VectorStoreSearchResponse[]; has_more: boolean; next_page: string | null }";
    await recorder.post(`${path}/${id}/search`, found, { query: 'Danube' });
    const searching = {
      model: 'stub',
      input: 'Where does the Danube flow?',
      tools: [{ type: 'file_search', vector_store_ids: [id] }],
      include: ['file_search_call.results'],
    };
    await recorder.post('/v1/responses', 'ReceivedResponse', searching);
    const heard = await recorder.stream('/v1/responses', 'ResponseEvent', searching);
    expect(heard.map(({ type }) => type)).toContain('response.file_search_call.completed');
    await recorder.get(`${path}/${id}`, store);
    await recorder.post(`${path}/${id}`, store, { name: 'streams' });
    await recorder.get(path, `Page<${store}>`);
    await recorder.remove(`${path}/${id}/files/${rivers}`, 'OpenAI.VectorStores.VectorStoreFileDeleted');
    await recorder.remove(`${path}/${id}`, 'OpenAI.VectorStoreDeleted');
  },

  async organization() {
    const path = '/v1/organization';
    const project = 'Projects.Project';
    const { id } = await recorder.post(`${path}/projects`, project, { name: 'one' });
    await recorder.get(`${path}/projects/${id}`, project);
    await recorder.post(`${path}/projects/${id}`, project, { name: 'two' });
    await recorder.get(`${path}/projects`, `Page<${project}>`);
    const admin = 'AdminKeys.AdminAPIKey';
    const made = await recorder.post(`${path}/admin_api_keys`, 'AdminKeys.AdminAPIKeyCreateResponse', {
      name: 'k',
    });
    await recorder.get(`${path}/admin_api_keys`, `Page<${admin}>`);
    await recorder.get(`${path}/admin_api_keys/${made.id}`, admin);
    await recorder.remove(`${path}/admin_api_keys/${made.id}`, 'AdminKeys.AdminAPIKeyDeleteResponse');
    const keys = `${path}/projects/${id}/api_keys`;
    // Others than a service account's cannot be made over OpenAI's API; here they can.
    type Made = { readonly id: string };
    const key = 'ProjectKeys.ProjectAPIKey';
    const { id: keyId } = await recorder.post<Made>(keys, `${key} & { value: string }`, { name: 'ci' });
    await recorder.get(`${keys}/${keyId}`, key);
    await recorder.remove(`${keys}/${keyId}`, 'ProjectKeys.APIKeyDeleteResponse');
    await recorder.get(keys, `Page<${key}>`);
    const day = 86_400;
    const since = `start_time=${Math.floor(Date.now() / 1000) - day}`;
    await recorder.until<{ data: unknown[] }>(
      `${path}/usage/completions?${since}`,
      ({ data }) => data.length > 0,
    );
    const usage = 'Usage.UsageCompletionsResponse';
    await recorder.get(`${path}/usage/completions?${since}`, usage);
    await recorder.get(`${path}/usage/completions?${since}&group_by[]=model&group_by[]=project_id`, usage);
    await recorder.get(`${path}/usage/embeddings?${since}`, 'Usage.UsageEmbeddingsResponse');
    await recorder.get(`${path}/usage/moderations?${since}`, 'Usage.UsageModerationsResponse');
    await recorder.get(`${path}/costs?${since}&group_by[]=line_item`, 'Usage.UsageCostsResponse');
    await recorder.post(`${path}/projects/${id}/archive`, project);
    const types = [
      'api_key.created',
      'api_key.deleted',
      'project.created',
      'project.updated',
      'project.archived',
    ];
    const only = types.map((type) => `event_types[]=${type}`).join('&');
    await recorder.get(`${path}/audit_logs?${only}`, 'Page<Audit.AuditLogListResponse>');
  },
};

it.each(Object.entries(sections))('answers of %s fit', async (_, ask) => {
  const from = recorder.recordings.length;
  await ask();
  const found = misfits(recorder.recordings.slice(from));
  expect([...found].map(([name, why]) => `${name}:\n${why}`).join('\n')).toBe('');
});

it('finds what does not fit', () => {
  const name = 'x';
  const type = 'OpenAI.Model';
  const value = { id: 'a', object: 'model', created: 1, owned_by: 'b' };
  const wrong = (changed: object): Recording => ({ name, type, value: changed });
  expect(misfits([wrong(value)]).size).toBe(0);
  expect(misfits([wrong({ ...value, extra: 1 })]).get(name)).toContain('\'"extra"\' does not exist');
  expect(misfits([wrong({ ...value, created: '1' })]).get(name)).toContain("'string' is not assignable");
  expect(misfits([wrong({ ...value, object: 'other' })]).get(name)).toContain('"other"');
  const { created: _created, ...without } = value;
  expect(misfits([wrong(without)]).get(name)).toContain("'created' is missing");
  const event = {
    type: 'response.output_text.delta',
    delta: 'a',
    logprobs: [],
    item_id: 'i',
    output_index: 0,
  };
  const events = (one: object): Recording => ({ name, type: 'ResponseEvent[]', value: [one] });
  const whole = { ...event, content_index: 0, sequence_number: 1 };
  expect(misfits([events(whole)]).size).toBe(0);
  expect(misfits([events({ ...whole, extra: 1 })]).get(name)).toContain('\'"extra"\' does not exist');
  expect(misfits([events(event)]).get(name)).toContain('sequence_number');
});
