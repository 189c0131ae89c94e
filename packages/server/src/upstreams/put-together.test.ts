/** Models of an upstream through endpoints that it does not have, and what is kept of its answers. */

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { chatProvider, type ChatProvider } from '../../test/chat-provider.ts';
import { fakeModel } from '../../test/fake-model.ts';
import { errorOf, keptServer, type KeptServer } from '../../test/kept-server.ts';
import { startToolServer, type ToolServer } from '../../test/mcp-server.ts';
import { events, namedEvents } from '../../test/requests.ts';
import { parseMcpServers } from '../mcp-servers/config.ts';
import { parseRouting } from './config.ts';

let cloud: ChatProvider;
let tools: ToolServer;
let server: KeptServer;
/** The same, where what is kept may leave. */
let free: KeptServer;

beforeAll(async () => {
  cloud = await chatProvider();
  tools = await startToolServer();
  const mcpServers = parseMcpServers(
    { mcpServers: { numbers: { url: tools.url, local: true } } },
    'mcp.json',
  );
  const routing = {
    upstreams: { cloud: { url: cloud.url } },
    routes: [{ model: 'big', upstream: 'cloud', upstream_model: 'far', policy: 'cloud-only' }],
  };
  server = await keptServer([fakeModel()], { mcpServers, routing: parseRouting(routing, 'test') });
  free = await keptServer([fakeModel()], { routing: parseRouting({ ...routing, kept: 'any' }, 'test') });
}, 120_000);
afterAll(async () => {
  await server.close();
  await free.close();
  cloud.close();
  await tools.close();
});
beforeEach(() => {
  cloud.asked.length = 0;
});

type Answer = Record<string, unknown> & { id: string };
const user = [{ role: 'user', content: 'Hi' }];
const json = async (response: Response | Promise<Response>) => (await (await response).json()) as Answer;
const by = (response: Response) => response.headers.get('x-steelyard-computed-by');

describe("a message in Anthropic's form", () => {
  const body = { model: 'big', max_tokens: 50, messages: user };

  it('is computed by the upstream', async () => {
    const response = await server.post('/v1/messages', {
      ...body,
      system: 'Be brief.',
      temperature: 0.5,
      stop_sequences: ['END'],
    });
    expect(by(response)).toBe('upstream:cloud');
    expect(await json(response)).toMatchObject({
      type: 'message',
      model: 'big',
      content: [
        { type: 'thinking', thinking: 'hm' },
        { type: 'text', text: 'from afar' },
      ],
      stop_reason: 'end_turn',
      usage: { input_tokens: 7, cache_read_input_tokens: 4, output_tokens: 2 },
    });
    expect(cloud.asked).toEqual([
      {
        path: '/v1/chat/completions',
        body: {
          model: 'far',
          messages: [{ role: 'system', content: 'Be brief.' }, ...user],
          stream: true,
          stream_options: { include_usage: true },
          temperature: 0.5,
          max_completion_tokens: 50,
          stop: ['END'],
        },
      },
    ]);
  });

  it('streams, and calls tools', async () => {
    const tools = [{ name: 'clock', input_schema: { type: 'object' } }];
    const response = await server.post('/v1/messages', {
      ...body,
      tools,
      tool_choice: { type: 'any' },
      stream: true,
    });
    const told = await namedEvents<{ type: string }>(response);
    expect(told.at(-2)).toMatchObject({ delta: { stop_reason: 'tool_use' } });
    expect(told).toContainEqual(
      expect.objectContaining({
        type: 'content_block_start',
        content_block: expect.objectContaining({ type: 'tool_use', name: 'clock' }) as unknown,
      }),
    );
    expect(cloud.asked[0]!.body).toMatchObject({
      tools: [{ type: 'function', function: { name: 'clock' } }],
      tool_choice: 'required',
    });
  });

  it('stays where its label says so, and cannot be begun here or counted', async () => {
    const labelled = { ...body, metadata: { data_label: 'restricted' } };
    expect((await server.post('/v1/messages', labelled)).status).toBe(403);
    const begun = { ...body, messages: [...user, { role: 'assistant', content: 'Well' }] };
    expect((await server.post('/v1/messages', begun)).status).toBe(400);
    const counted = await server.post('/v1/messages/count_tokens', { model: 'big', messages: user });
    expect(counted.status).toBe(400);
    expect(JSON.stringify(await counted.json())).toContain("the upstream 'cloud' computes it");
    expect(cloud.asked).toEqual([]);
  });
});

describe("Ollama's endpoints", () => {
  it('chat, generate and embed with models of an upstream', async () => {
    const chat = await server.post('/api/chat', { model: 'big:latest', messages: user, stream: false });
    expect(by(chat)).toBe('upstream:cloud');
    expect(await json(chat)).toMatchObject({
      message: { content: 'from afar', thinking: 'hm' },
      eval_count: 2,
    });
    // What Ollama does by default is left to the upstream.
    expect(cloud.asked[0]!.body).not.toHaveProperty('temperature');
    expect(cloud.asked[0]!.body).not.toHaveProperty('top_k');
    const lines = (await (await server.post('/api/generate', { model: 'big', prompt: 'Hi' })).text())
      .trim()
      .split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { response: string }).response).join('')).toBe(
      'from afar',
    );
    const embed = await server.post('/api/embed', { model: 'big', input: ['a', 'b'] });
    expect(by(embed)).toBe('upstream:cloud');
    expect(await json(embed)).toMatchObject({
      embeddings: [
        [0.5, 1],
        [0.5, 1],
      ],
      prompt_eval_count: 3,
    });
    expect(cloud.asked.at(-1)).toEqual({
      path: '/v1/embeddings',
      body: { model: 'far', input: ['a', 'b'], encoding_format: 'float' },
    });
  });
});

describe('a chat completion that is to be kept', () => {
  it.each([false, true])('is kept here, streaming: %s', async (stream) => {
    const metadata = { job: `kept-${stream}` };
    const response = await server.post('/v1/chat/completions', {
      ...{ model: 'big', messages: user, store: true, metadata, stream },
    });
    const { id } = stream ? (await events<Answer>(response))[0]! : await json(response);
    expect(id).not.toBe('theirs');
    const list = await json(server.get(`/v1/chat/completions?metadata[job]=kept-${stream}`));
    expect(list).toMatchObject({ data: [{ id, metadata }] });
    expect(list).toMatchObject({
      data: [{ choices: [{ message: { content: 'from afar' } }], usage: { prompt_tokens: 11 } }],
    });
    // And nothing there.
    expect(cloud.asked[0]!.body).not.toHaveProperty('store');
    expect(cloud.asked[0]!.body).not.toHaveProperty('metadata');
  });

  it('tells usage only where it is asked for', async () => {
    const body = { model: 'big', messages: user, store: true, stream: true };
    const told = await events<Answer>(await server.post('/v1/chat/completions', body));
    expect(told.some((chunk) => 'usage' in chunk)).toBe(false);
  });
});

describe('a response', () => {
  const ask = (body: object, to = server) => to.post('/v1/responses', { model: 'big', input: 'Hi', ...body });

  it.each([false, true])('is kept here as others are, and gone on from; streaming: %s', async (stream) => {
    const response = await ask({ stream, metadata: { a: 'b' } });
    expect(by(response)).toBe('upstream:cloud');
    const told = stream
      ? (await namedEvents<{ type: string; response: Answer }>(response)).at(-1)!.response
      : await json(response);
    expect(told).toMatchObject({ store: true, metadata: { a: 'b' }, output: [{ id: 'msg_theirs' }] });
    expect(cloud.asked[0]).toMatchObject({ path: '/v1/responses', body: { store: false } });
    const found = await json(server.get(`/v1/responses/${told.id}`));
    expect(found).toEqual(told);
    const next = await ask({ input: 'More', previous_response_id: told.id });
    expect(by(next)).toBe('upstream:cloud');
    const after = await json(next);
    expect(after).toMatchObject({ status: 'completed', previous_response_id: told.id });
    expect(cloud.asked[1]!.body['messages']).toEqual([
      ...user,
      { role: 'assistant', content: 'from afar' },
      { role: 'user', content: 'More' },
    ]);
    expect(by(await ask({ input: 'Still more', previous_response_id: after.id }))).toBe('upstream:cloud');
    expect(cloud.asked[2]!.body['messages']).toHaveLength(5);
  });

  it('is not kept where this server has no form for it, and says so', async () => {
    const image = { type: 'input_image', detail: 'auto', image_url: 'data:image/png;base64,AA==' };
    const input = [{ role: 'user', content: [image] }];
    expect(await json(ask({ input }))).toMatchObject({ store: false });
    expect(await errorOf(await ask({ input, store: true }))).toMatchObject({
      status: 400,
      message: expect.stringContaining("Or send 'store' as false") as unknown,
    });
    expect(await json(ask({ store: false }))).toMatchObject({ id: 'resp_theirs', store: false });
  });

  it('is computed in the background', async () => {
    const response = await ask({ background: true });
    expect(by(response)).toBe('upstream:cloud');
    const { id } = await json(response);
    await expect
      .poll(() => json(server.get(`/v1/responses/${id}`)))
      .toMatchObject({ status: 'completed', output: [{ type: 'reasoning' }, { type: 'message' }] });
  });

  it('calls tools that this server runs, as a chat completion does', async () => {
    const numbers = {
      type: 'mcp',
      server_label: 'numbers',
      allowed_tools: ['remove'],
      require_approval: 'never',
    };
    const response = await ask({ tools: [numbers] });
    expect(by(response)).toBe('upstream:cloud');
    expect(await json(response)).toMatchObject({
      output: [
        { type: 'mcp_list_tools' },
        { type: 'mcp_call', name: 'remove', output: 'gone' },
        { type: 'reasoning' },
        { type: 'message' },
      ],
      usage: { input_tokens: 22, output_tokens: 4 },
    });
    expect(cloud.asked[1]!.body['messages']).toMatchObject([
      ...user,
      { role: 'assistant', tool_calls: [{ function: { name: 'remove', arguments: '{}' } }] },
      { role: 'tool', content: 'gone' },
    ]);
    const chat = { model: 'big', messages: user, tools: [numbers] };
    expect(await json(server.post('/v1/chat/completions', chat))).toMatchObject({
      model: 'big',
      choices: [{ message: { content: 'from afar' } }],
    });
    const search = { type: 'file_search', vector_store_ids: ['vs_1'] };
    expect(await errorOf(await ask({ tools: [search] }))).toMatchObject({ status: 403, code: 'must_stay' });
  });

  it('goes on from a conversation, or from what was computed here, only where that is allowed', async () => {
    for (const [to, status] of [
      [server, 403],
      [free, 200],
    ] as const) {
      const conversation = (await json(to.post('/v1/conversations', { items: user }))).id;
      const local = await json(ask({ model: 'fake' }, to));
      const talk = await ask({ conversation, input: 'More' }, to);
      expect(talk.status).toBe(status);
      if (status === 403)
        expect(await errorOf(talk)).toMatchObject({
          code: 'must_stay',
          message: expect.stringContaining('"kept": "any"') as unknown,
        });
      expect((await ask({ previous_response_id: local.id }, to)).status).toBe(status);
    }
    expect(cloud.asked.map(({ body }) => (body['messages'] as unknown[]).length)).toEqual([2, 3]);
  });
});

describe('a receipt', () => {
  it('is given of what is put together here', async () => {
    const headers = { 'content-type': 'application/json', 'x-steelyard-receipt': '1' };
    const body = JSON.stringify({ model: 'big', input: 'Hi', background: true });
    const response = await server.app.request('/v1/responses', { method: 'POST', headers, body });
    const { id } = (await response.json()) as Answer;
    await expect
      .poll(() => json(server.get(`/v1/responses/${id}`)))
      .toMatchObject({
        status: 'completed',
        steelyard: {
          receipts: [
            {
              endpoint: '/v1/responses',
              computed_by: 'upstream:cloud',
              upstream: { model: 'far', answered_model: 'far-1' },
              usage: { input_tokens: 11, cached_tokens: 4, output_tokens: 2, estimated: false },
            },
          ],
        },
      });
  });
});
