/**
 * Requests made from the published OpenAPI document, whole and damaged, against every endpoint: never a failure of the
 * server, never a hang; what is answered is what the document says.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createStubEmbeddingModel, createStubModel } from '@steelyard/engine/testing';
import { createServer, parseMcpServers, providerOf } from '@steelyard/server';
import type { OpenApiDocument, Operation } from '@steelyard/server/docs';
import { openStorage, type Storage } from '@steelyard/storage';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startToolServer } from '../../packages/server/test/mcp-server.ts';
import { storeOf } from '../../packages/server/test/searched-store.ts';
import { fitting, odd, type Hints } from './schema-arbitrary.ts';

/** Requests over all endpoints together. */
const RUNS = Number(process.env['STEELYARD_FUZZ_RUNS'] ?? 100_000);
const SEED = 20_260;
/** Milliseconds until an answer counts as one that never comes. */
const HANG = 30_000;
/** Refusals that say that something is not there, not that the server failed. */
const HONEST = new Set([501, 503]);

const reported: unknown[] = [];
let directory: string;
let storage: Storage | undefined;

/** Searches, calls and then answers, whatever it is asked. */
const caller = createStubModel({
  name: 'caller',
  contextLength: 2_000,
  marks: '<tool_call>',
  reply(messages) {
    const last = messages.at(-1);
    if (last?.role === 'tool') return 'An answer [1], [2].';
    const calls = ['fail {}', 'file_search {"query": "x"}', 'add {"a": 1, "b": 2}'].map((call) => {
      const [, name, args] = /^(\w+) (.*)$/.exec(call)!;
      return `<tool_call>{"name": "${name}", "arguments": ${args}}</tool_call>`;
    });
    const first = JSON.stringify(last?.content ?? '').length % calls.length;
    return [...calls.slice(first), ...calls.slice(0, first)].join('\n');
  },
});
const toolServer = await startToolServer();
const mcpServers = { numbers: { url: toolServer.url }, dead: { url: 'http://127.0.0.1:9/' } };

const server = createServer({
  models: providerOf([createStubModel({ name: 'stub', contextLength: 200 }), caller]),
  mcpServers: parseMcpServers({ mcpServers }, 'fuzz'),
  embeddingModels: providerOf([createStubEmbeddingModel({ name: 'vectors' })]),
  storage: () => Promise.resolve(storage!),
  chatPage: false,
  limits: { bodyBytes: 20_000, fileBytes: 10_000 },
  onError(error) {
    // One of the servers cannot be reached.
    if ((error as Error).message !== 'fetch failed') reported.push(error);
  },
});
const { app } = server;
const document = (await (await app.request('/openapi.json')).json()) as OpenApiDocument;
const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema({ $id: 'api', components: document.components });

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'steelyard-fuzz-'));
  storage = await openStorage({ directory });
  const made = await app.request('/v1/vector_stores', {
    ...{ method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } },
  });
  const empty = ((await made.json()) as { id: string }).id;
  stores.push(empty, (await storeOf(app, { 'x.txt': 'x y z', 'a.txt': 'a b c' })).id);
}, 60_000);

afterAll(async () => {
  await server.close();
  await toolServer.close();
  await storage?.close();
  await rm(directory, { recursive: true, force: true });
});

/** Ids that the server gave, so that some requests name what there is. */
const ids: string[] = ['none'];
const stores: string[] = [];
const id = fc.nat().map((at) => ids[at % ids.length]!);
const hints: Hints = {
  schemas: document.components.schemas,
  names: {
    model: fc.oneof(
      { weight: 30, arbitrary: fc.constantFrom('stub', 'stub', 'caller', 'vectors') },
      { weight: 1, arbitrary: odd },
    ),
    server_label: fc.constantFrom('numbers', 'numbers', 'dead', 'other'),
    server_url: fc.constantFrom(toolServer.url, null, 'http://169.254.169.254/'),
    vector_store_ids: fc.array(
      fc.nat().map((at) => stores[at % stores.length]!),
      { minLength: 1, maxLength: 2 },
    ),
    ...Object.fromEntries(
      ['previous_response_id', 'conversation', 'input_file_id', 'file_id', 'file_ids'].map((name) => [
        name,
        fc.oneof(id, odd, fc.array(id, { maxLength: 2 })),
      ]),
    ),
  },
};

interface Sent {
  readonly url: string;
  readonly body: Uint8Array<ArrayBuffer> | undefined;
}

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
);
/** Those that keep something take milliseconds each; the others get most of the requests. */
const isFree = ({ path, method }: (typeof operations)[number]) =>
  method === 'POST' &&
  /completions$|embeddings|rerank|responses$|messages|count_tokens|api\/(chat|generate|embed)/.test(path);
const free = operations.filter(isFree).length;
const runsOf = (one: (typeof operations)[number]) =>
  Math.ceil(isFree(one) ? (RUNS * 0.9) / free : (RUNS * 0.1) / (operations.length - free));

it.each(operations.map((one) => [`${one.method} ${one.path}`, one] as const))(
  '%s',
  async (_, one) => {
    const numRuns = runsOf(one);
    const statuses = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(requestTo(one.path, one.operation), async (sent) => {
        const status = await send(one.method, sent, one.operation);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }),
      { numRuns, seed: SEED },
    );
    expect(reported).toEqual([]);
    // A fuzzer that only ever hears no, or only yes, tests little.
    if (!isFree(one)) return;
    expect(statuses.get(200), [...statuses].join(' ')).toBeGreaterThan(numRuns / 2000);
    expect(statuses.get(400)).toBeGreaterThan(numRuns / 20);
  },
  60_000 + RUNS * 20,
);

/** Those that random requests hardly ever get right. */
it('answers for which the server runs tools', async () => {
  const operation = document.paths['/v1/responses']!['post']!;
  const seen = new Set<string>();
  const ask = async (body: object): Promise<string> => {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' } };
    const response = await app.request('/v1/responses', { ...init, body: JSON.stringify(body) });
    const text = await response.text();
    if (response.status === 200) checkAnswer(response, text, operation);
    else checkRefusal(response.status, text);
    for (const [, type] of text.matchAll(/"type":"([\w.]+)"/g)) seen.add(type!);
    return text;
  };
  await fc.assert(
    fc.asyncProperty(toolRequest, async (body) => {
      const text = await ask(body);
      const [, id] = /"id":"(mcpr_\w+)"/.exec(text) ?? [];
      const [, previous_response_id] = /"id":"(resp_\w+)"/.exec(text) ?? [];
      if (!id || body.store === false) return;
      const answer = { type: 'mcp_approval_response', approval_request_id: id, approve: body.stream };
      await ask({ ...body, previous_response_id, input: [answer] });
    }),
    { numRuns: Math.min(RUNS, 400), seed: SEED },
  );
  expect(reported).toEqual([]);
  expect([...seen]).toEqual(expect.arrayContaining(TOLD));
}, 120_000);

const TOLD = [
  ...['file_search_call', 'mcp_list_tools', 'mcp_call', 'mcp_approval_request', 'function_call'],
  ...['response.file_search_call.in_progress', 'response.file_search_call.searching'],
  ...['response.file_search_call.completed', 'response.mcp_list_tools.in_progress'],
  ...['response.mcp_list_tools.completed', 'response.mcp_list_tools.failed', 'response.mcp_call.in_progress'],
  ...['response.mcp_call_arguments.delta', 'response.mcp_call_arguments.done'],
  ...['response.mcp_call.completed', 'response.mcp_call.failed'],
  ...['response.output_text.annotation.added', 'file_citation'],
];

const names = fc.subarray(['add', 'fail', 'remove', 'none']);
const filter = fc.oneof(fc.record({ read_only: fc.boolean() }), fc.record({ tool_names: names }));
const searchTool = fc.record(
  {
    type: fc.constant('file_search'),
    vector_store_ids: fc.nat().map((at) => [stores[at % stores.length]!]),
    max_num_results: fc.integer({ min: 1, max: 3 }),
    ranking_options: fc.record({ ranker: fc.constantFrom('auto', null), score_threshold: fc.constant(0.1) }),
    filters: fc.constantFrom(null, { type: 'ne', key: 'a', value: 1 }),
  },
  { requiredKeys: ['type', 'vector_store_ids'] },
);
const mcpTool = fc.record(
  {
    type: fc.constant('mcp'),
    server_label: fc.constantFrom('numbers', 'numbers', 'dead'),
    server_description: fc.string(),
    allowed_tools: fc.oneof(names, filter),
    require_approval: fc.oneof(
      fc.constantFrom('never', 'never', 'always'),
      fc.record({ always: filter, never: filter }, { requiredKeys: [] }),
    ),
    headers: fc.constantFrom(null, { 'x-a': 'b' }),
  },
  { requiredKeys: ['type', 'server_label'] },
);
const clientTool = fc.constant({ type: 'function', name: 'add', parameters: { type: 'object' } });
const toolRequest = fc.record(
  {
    model: fc.constantFrom('caller', 'caller', 'stub'),
    input: fc.string({ minLength: 1 }),
    tools: fc.array(fc.oneof(searchTool, mcpTool, clientTool), { minLength: 1, maxLength: 3 }),
    tool_choice: fc.constantFrom(
      'auto',
      'auto',
      'none',
      { type: 'file_search' },
      { type: 'mcp', server_label: 'numbers' },
    ),
    stream: fc.boolean(),
    store: fc.boolean(),
    parallel_tool_calls: fc.boolean(),
    max_tool_calls: fc.integer({ min: 1, max: 3 }),
    max_output_tokens: fc.integer({ min: 1, max: 200 }),
    include: fc.constant(['file_search_call.results']),
  },
  { requiredKeys: ['model', 'input', 'tools', 'stream'] },
);

function requestTo(path: string, { parameters = [], requestBody }: Operation): fc.Arbitrary<Sent> {
  const segment = fc.oneof(
    { weight: 4, arbitrary: id },
    { weight: 1, arbitrary: fc.string({ minLength: 1 }) },
  );
  const values = parameters.map(({ in: where, required, schema }) =>
    where === 'path'
      ? segment
      : fc.oneof(
          { weight: required ? 20 : 1, arbitrary: fitting(schema, hints) },
          { weight: 1, arbitrary: fc.constant(undefined) },
        ),
  );
  const url = fc.tuple(...values).map((given) => {
    let filled = path;
    const query = new URLSearchParams();
    for (const [i, { name, in: where }] of parameters.entries()) {
      const value = given[i];
      if (value === undefined) continue;
      const text = typeof value === 'string' ? value : JSON.stringify(value);
      if (where === 'path') filled = filled.replace(`{${name}}`, encodeURIComponent(wellFormed(text)));
      else query.append(name, text);
    }
    return `http://localhost${filled}${query.size > 0 ? `?${query}` : ''}`;
  });
  const schema = requestBody?.content['application/json']?.schema;
  const body = schema ? bytes(fitting(schema, hints)) : fc.constant(undefined);
  return fc.record({ url, body });
}

/** Addresses hold no lone surrogates. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}

/** JSON, and now and then what is left of it: cut short, a byte changed, or nothing of JSON at all. */
function bytes(value: fc.Arbitrary<unknown>): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  const json = value.map((one) => new Uint8Array(Buffer.from(JSON.stringify(one) ?? '')));
  return fc.oneof(
    { weight: 16, arbitrary: json },
    {
      weight: 1,
      arbitrary: fc.tuple(json, fc.nat()).map(([all, at]) => all.slice(0, at % (all.length + 1))),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(json, fc.nat(), fc.nat(255)).map(([all, at, byte]) => {
        const changed = all.slice();
        if (changed.length > 0) changed[at % changed.length] = byte;
        return changed;
      }),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map((all) => new Uint8Array(all)) },
  );
}

async function send(method: string, { url, body }: Sent, operation: Operation): Promise<number> {
  const hang = new AbortController();
  const answered = (async () => {
    const init = { method, headers: { 'content-type': 'application/json' }, ...(body ? { body } : {}) };
    const response = await app.request(new Request(url, init));
    return { response, text: await response.text() };
  })();
  const late = sleep(HANG, undefined, { signal: hang.signal }).then(() => {
    throw new Error(`no answer in ${HANG} ms: ${method} ${url}`);
  });
  late.catch(() => {});
  const { response, text } = await Promise.race([answered, late]).finally(() => hang.abort());
  if (response.status >= 200 && response.status < 300) checkAnswer(response, text, operation);
  else checkRefusal(response.status, text);
  return response.status;
}

/** Every answer and every event is what the document says. */
function checkAnswer(response: Response, text: string, { operationId, responses }: Operation): void {
  const type = response.headers.get('content-type')?.split(';')[0] ?? 'none';
  const content = responses['200']?.content ?? {};
  expect(Object.keys(content), operationId).toContain(type);
  const check = (value: unknown) => {
    const validate = validator(operationId, type, content[type]!.schema);
    expect(
      validate(value),
      `${operationId} ${type}: ${ajv.errorsText(validate.errors)}: ${text.slice(0, 500)}`,
    ).toBe(true);
    remember(value);
  };
  if (type === 'application/json') return check(JSON.parse(text));
  if (type === 'application/x-ndjson')
    return text
      .trimEnd()
      .split('\n')
      .forEach((line) => check(JSON.parse(line)));
  if (type !== 'text/event-stream') return;
  for (const [, data] of text.matchAll(/^data: (.*)$/gm)) if (data !== '[DONE]') check(JSON.parse(data!));
}

const validators = new Map<string, ValidateFunction>();

function validator(operationId: string, type: string, schema: object): ValidateFunction {
  const key = `${operationId} ${type}`;
  const known = validators.get(key);
  if (known) return known;
  const linked = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/')) as object;
  const made = ajv.compile(linked);
  validators.set(key, made);
  return made;
}

function remember(value: unknown): void {
  const given = (value as { id?: unknown } | null)?.id;
  if (typeof given === 'string' && given.includes('_') && ids.length < 500) ids.push(given);
}

/** Every refusal says what was wrong, and names the server's own fault only where that is honest. */
function checkRefusal(status: number, text: string): void {
  if (status >= 500) expect(HONEST, text).toContain(status);
  const { error } = JSON.parse(text) as { error: string | { message: string } };
  const message = typeof error === 'string' ? error : error.message;
  expect(message.length).toBeGreaterThan(5);
  expect(message.length).toBeLessThan(2000);
}
