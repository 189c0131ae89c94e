/** Spans of requests, as a collector gets them over HTTP. */

import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EgressForbiddenError, forbidEgress } from '@steelyard/core/node';
import { createStubEmbeddingModel, createStubModel } from '@steelyard/engine/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { keptServer } from '../../test/kept-server.ts';
import { startReceiver, type ReceivedSpan, type Receiver } from '../../test/otlp-receiver.ts';
import { calling, storeOf } from '../../test/searched-store.ts';
import { providerOf } from '../model-provider.ts';
import type { ServerOptions } from '../options.ts';
import { createServer } from '../server.ts';
import { openTracing, type TracingOptions } from './open-tracing.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

// As OTLP numbers them.
const SERVER = 2;
const CLIENT = 3;
const tracingTo = (url: string, more: Partial<TracingOptions> = {}) =>
  openTracing({
    url,
    serviceName: 'test',
    serviceVersion: '1',
    sample: 1,
    onError: () => undefined,
    ...more,
  });

async function traced(options: Partial<ServerOptions> = {}, more: Partial<TracingOptions> = {}) {
  const receiver = await startReceiver();
  ends.push(() => receiver.close());
  const tracing = await tracingTo(receiver.url, more);
  const server = createServer({
    models: providerOf([createStubModel({ name: 'tiny', delayMs: 1 })]),
    embeddingModels: providerOf([createStubEmbeddingModel({ name: 'vectors' })]),
    ...{ port: 0, chatPage: false, tracing, limits: { drainMs: 50 } },
    ...options,
  });
  const { url } = await server.listen();
  ends.push(() => server.close());
  const ask = async (path: string, body: object, headers: Record<string, string> = {}) => {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    await response.text();
    return response.status;
  };
  /** All that were ended by now. */
  const finish = async (): Promise<Receiver> => {
    await server.close();
    await tracing.close();
    return receiver;
  };
  return { ask, finish, tracing, url };
}

const named = ({ spans }: Receiver, name: string): ReceivedSpan => {
  const found = spans.filter((span) => span.name === name);
  expect(found, `spans called ${name} among ${spans.map((span) => span.name).join(', ')}`).toHaveLength(1);
  return found[0]!;
};

const chat = {
  ...{ model: 'tiny', max_tokens: 4, temperature: 0.5 },
  messages: [{ role: 'user', content: 'my secret words are five' }],
};

describe('a chat', () => {
  it.each([true, false])('is a tree of spans with usage, below the caller’s; stream %s', async (stream) => {
    const { ask, finish } = await traced();
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    expect(await ask('/v1/chat/completions', { ...chat, stream }, { traceparent })).toBe(200);
    const receiver = await finish();
    const request = named(receiver, 'POST /v1/chat/completions');
    expect(request).toMatchObject({
      kind: SERVER,
      traceId: '0af7651916cd43dd8448eb211c80319c',
      parentSpanId: 'b7ad6b7169203331',
      attributes: {
        'http.request.method': 'POST',
        'http.route': '/v1/chat/completions',
        'http.response.status_code': 200,
        'steelyard.project': 'default',
      },
    });
    const generation = named(receiver, 'chat tiny');
    expect(generation).toMatchObject({
      traceId: request.traceId,
      parentSpanId: request.spanId,
      failed: false,
      attributes: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'steelyard',
        'gen_ai.request.model': 'tiny',
        'gen_ai.response.model': 'tiny',
        'gen_ai.request.max_tokens': 4,
        'gen_ai.request.temperature': 0.5,
        'gen_ai.usage.output_tokens': 4,
        'gen_ai.response.finish_reasons': ['length'],
      },
    });
    expect(generation.attributes['gen_ai.usage.input_tokens']).toBeGreaterThan(0);
    const phases = ['queue', 'prefill', 'decode'].map((name) => named(receiver, name));
    for (const [i, phase] of phases.entries()) {
      expect(phase.parentSpanId).toBe(generation.spanId);
      expect(phase.start).toBeGreaterThanOrEqual(
        i === 0 ? generation.start : phases[i - 1]!.end - 1_000_000n,
      );
    }
    expect(receiver.resource).toMatchObject({ 'service.name': 'test' });
    expect(receiver.bodies.join()).not.toContain('secret');
  });

  it('that cannot run is a span that says why', async () => {
    const { ask, finish } = await traced({ limits: { drainMs: 50, concurrentRequests: 1 } });
    expect(await ask('/v1/chat/completions', { ...chat, model: 'none' })).toBe(404);
    const receiver = await finish();
    expect(named(receiver, 'chat none')).toMatchObject({
      failed: true,
      attributes: { 'error.type': 'model_not_found' },
    });
    expect(named(receiver, 'POST /v1/chat/completions')).toMatchObject({
      failed: false,
      attributes: { 'http.response.status_code': 404 },
    });
  });
});

it('texts and vectors go by their own names', async () => {
  const { ask, finish } = await traced();
  await ask('/v1/completions', { model: 'tiny', prompt: 'a b', max_tokens: 2 });
  await ask('/v1/embeddings', { model: 'vectors', input: 'a b c' });
  const receiver = await finish();
  expect(named(receiver, 'text_completion tiny').attributes['gen_ai.operation.name']).toBe('text_completion');
  const vectors = named(receiver, 'embeddings vectors').attributes;
  expect(vectors['gen_ai.operation.name']).toBe('embeddings');
  expect(vectors['gen_ai.usage.input_tokens']).toBeGreaterThan(0);
});

it('what is computed elsewhere is the span of a client, and counted', async () => {
  const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
  const away = createHttpServer((request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    request
      .resume()
      .on('end', () => response.end(JSON.stringify({ object: 'chat.completion', choices: [], usage })));
  });
  await new Promise<void>((resolve) => away.listen(0, '127.0.0.1', resolve));
  ends.push(() => away.close());
  const { port } = away.address() as AddressInfo;
  const upstreams = { cloud: { url: `http://127.0.0.1:${port}/v1` }, gone: { url: 'http://127.0.0.1:9/v1' } };
  const routes = [
    { model: 'far', upstream: 'cloud', policy: 'cloud-only' as const },
    { model: 'lost', upstream: 'gone', policy: 'cloud-only' as const },
  ];
  const { ask, finish, url } = await traced({ routing: { upstreams, routes, labels: {}, projects: {} } });
  expect(await ask('/v1/chat/completions', { ...chat, model: 'far' })).toBe(200);
  expect(await ask('/v1/chat/completions', { ...chat, model: 'lost' })).toBe(502);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  expect(metrics).toContain('steelyard_upstream_requests_total{upstream="cloud",outcome="200"} 1');
  expect(metrics).toContain(
    'steelyard_upstream_requests_total{upstream="gone",outcome="upstream_unavailable"} 1',
  );
  const receiver = await finish();
  expect(named(receiver, 'chat far')).toMatchObject({
    kind: CLIENT,
    failed: false,
    attributes: {
      'gen_ai.provider.name': 'cloud',
      'server.address': '127.0.0.1',
      'gen_ai.usage.input_tokens': 7,
      'gen_ai.usage.output_tokens': 3,
    },
  });
  expect(named(receiver, 'chat lost')).toMatchObject({
    failed: true,
    attributes: { 'error.type': 'upstream_unavailable' },
  });
});

it('a tool that the server runs is a span of its request', async () => {
  const receiver = await startReceiver();
  ends.push(() => receiver.close());
  const tracing = await tracingTo(receiver.url);
  const embeddingModels = providerOf([createStubEmbeddingModel({ name: 'vectors', dimensions: 64 })]);
  const model = createStubModel({
    name: 'caller',
    marks: '<tool_call>',
    reply: (messages) =>
      messages.at(-1)!.role === 'tool' ? 'Done.' : calling('file_search', { queries: ['hidden query'] }),
  });
  const server = await keptServer([model], { embeddingModels, tracing });
  ends.push(() => server.close());
  const { id: store } = await storeOf(server.app, { 'a.txt': 'The Danube flows into the Black Sea.' });
  const response = await server.post('/v1/responses', {
    ...{ model: 'caller', input: 'Where?' },
    tools: [{ type: 'file_search', vector_store_ids: [store] }],
  });
  expect(response.status).toBe(200);
  await tracing.close();
  const tool = named(receiver, 'execute_tool file_search');
  expect(tool.attributes).toMatchObject({
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'file_search',
  });
  const request = named(receiver, 'POST /v1/responses');
  expect(tool.parentSpanId).toBe(request.spanId);
  expect(receiver.spans.filter(({ name }) => name === 'chat caller')).toHaveLength(2);
  expect(receiver.bodies.join()).not.toContain('hidden query');
});

it('probes and scrapes are not traced', async () => {
  const { ask, finish, url } = await traced();
  for (const path of ['/health', '/health/ready', '/metrics'])
    expect((await fetch(`${url}${path}`)).status).toBe(200);
  await ask('/v1/chat/completions', chat);
  const { spans } = await finish();
  expect(spans.map(({ name }) => name).filter((name) => name.includes('/'))).toEqual([
    'POST /v1/chat/completions',
  ]);
});

it('keys of the collector and the share of requests are as configured', async () => {
  const headers = { authorization: 'Bearer x' };
  const all = await traced({}, { headers });
  await all.ask('/v1/chat/completions', chat);
  expect((await all.finish()).headers[0]).toMatchObject({ authorization: 'Bearer x', ':path': '/v1/traces' });
  const none = await traced({}, { sample: 0 });
  await none.ask('/v1/chat/completions', chat);
  expect((await none.finish()).spans).toEqual([]);
});

it('a collector that is away, or refuses, is told of once and holds nothing up', async () => {
  const told: string[] = [];
  const tracing = await tracingTo('http://127.0.0.1:9/v1/traces', {
    onError: (message) => told.push(message),
  });
  tracing.tracer.startSpan('x').end();
  await tracing.close();
  expect(told).toEqual(['the last traces could not be sent to 127.0.0.1:9 within 2000 ms']);
  const refusing = await startReceiver(400);
  ends.push(() => refusing.close());
  const refused = await tracingTo(refusing.url, { onError: (message) => told.push(message) });
  for (const name of ['a', 'b']) refused.tracer.startSpan(name).end();
  await refused.close();
  expect(told).toHaveLength(2);
  expect(told[1]).toMatch(/^traces cannot be sent to 127\.0\.0\.1:\d+: /);
});

it('is refused at the start where connections to the collector are forbidden', async () => {
  ends.push(forbidEgress({ allowed: ['allowed.example:4318'] }));
  await expect(tracingTo('https://collector.example/v1/traces')).rejects.toThrow(EgressForbiddenError);
  await expect(tracingTo('https://collector.example/v1/traces')).rejects.toThrow(
    /no connection to collector\.example.*--allow-egress/,
  );
  await (await tracingTo('http://allowed.example:4318/v1/traces')).close();
  await (await tracingTo('http://127.0.0.1:4318/v1/traces')).close();
});
