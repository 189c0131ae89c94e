import { once } from 'node:events';
import {
  createServer as createHttpServer,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { forbidEgress } from '@steelyard/core/node';
import { createStubEmbeddingModel, createStubModel } from '@steelyard/engine/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { keptServer, type KeptServer } from '../../test/kept-server.ts';
import { providerOf } from '../model-provider.ts';
import type { ServerLimits } from '../options.ts';
import { createServer } from '../server.ts';
import { parseRouting, type Routing } from './config.ts';

interface Asked {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}

type Reply = (asked: Asked, ...rest: Parameters<RequestListener>) => void;

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** Another provider, on this machine; notes all that arrives. */
async function provider(reply: Reply = answerWith({ object: 'chat.completion', from: 'cloud' })) {
  const asked: Asked[] = [];
  const server: Server = createHttpServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>;
      const one = { path: request.url!, headers: request.headers, body };
      asked.push(one);
      reply(one, request, response);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` };
}

function answerWith(body: unknown, status = 200, headers: Record<string, string> = {}): Reply {
  return (_, __, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
}

interface World {
  readonly url: string;
  readonly policy?: Routing['routes'][number]['policy'];
  readonly routing?: Partial<Routing>;
  readonly route?: Partial<Routing['routes'][number]>;
  readonly limits?: Partial<ServerLimits>;
  readonly delayMs?: number;
}

const messages = [{ role: 'user', content: 'marker words' }];

function here({ url, policy = 'prefer-local', routing = {}, route = {}, limits = {}, delayMs = 0 }: World) {
  const { app } = createServer({
    models: providerOf([createStubModel({ delayMs })]),
    embeddingModels: providerOf([createStubEmbeddingModel({ name: 'vectors' })]),
    routing: {
      upstreams: { cloud: { url, key_env: 'CLOUD_KEY' } },
      routes: ['stub', 'far', 'vectors', 'gpt-*'].map((model) => ({
        model,
        upstream: 'cloud',
        policy,
        ...route,
      })),
      labels: { public: 'any' },
      projects: {},
      ...routing,
    },
    env: { CLOUD_KEY: 'sk-secret' },
    chatPage: false,
    limits,
    onError: () => {},
  });
  return (path: string, body: object, headers: Record<string, string> = {}) => {
    const text = JSON.stringify(body);
    const length = String(Buffer.byteLength(text));
    return Promise.resolve(
      app.request(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': length, ...headers },
        body: text,
      }),
    );
  };
}

const computedBy = (response: Response) => response.headers.get('x-steelyard-computed-by');
const errorOf = async (response: Response) => {
  const { error } = (await response.json()) as { error: { code: string; message: string } };
  return { status: response.status, code: error.code, message: error.message };
};

describe('routes', () => {
  it('are those of what is asked over /mcp too', async () => {
    const { asked, url } = await provider(answerWith({ choices: [{ message: { content: 'from afar' } }] }));
    const params = { name: 'generate', arguments: { model: 'far', prompt: 'marker words' } };
    const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params };
    const accept = { accept: 'application/json, text/event-stream' };
    const answer = (await (await here({ url })('/mcp', message, accept)).json()) as { result: unknown };
    expect(answer.result).toMatchObject({ content: [{ text: 'from afar' }] });
    expect(asked[0]).toMatchObject({ path: '/v1/chat/completions', body: { model: 'far', messages } });
    const local = (await (await here({ url, policy: 'local-only' })('/mcp', message, accept)).json()) as {
      result: unknown;
    };
    expect(local.result).toMatchObject({ isError: true });
    expect(asked).toHaveLength(1);
  });

  it('compute here what is here, elsewhere what is not, and say where', async () => {
    const { asked, url } = await provider();
    const ask = here({ url });
    expect(computedBy(await ask('/v1/chat/completions', { model: 'stub', messages }))).toBe('local');
    expect(asked).toEqual([]);
    const far = await ask('/v1/chat/completions', { model: 'far', messages, steelyard: { receipt: true } });
    expect(computedBy(far)).toBe('upstream:cloud');
    expect(await far.json()).toMatchObject({ object: 'chat.completion', from: 'cloud' });
    expect(asked[0]).toMatchObject({ path: '/v1/chat/completions', body: { model: 'far', messages } });
    expect(asked[0]!.body).not.toHaveProperty('steelyard');
    expect(asked[0]!.headers.authorization).toBe('Bearer sk-secret');
    expect((await ask('/v1/chat/completions', { model: 'nobody', messages })).status).toBe(404);
  });

  it('serve every endpoint, by beginnings of names and by other names', async () => {
    const { asked, url } = await provider();
    const ask = here({ url, policy: 'cloud-only', route: { upstream_model: 'theirs' } });
    for (const [path, body] of [
      ['/v1/chat/completions', { messages }],
      ['/v1/completions', { prompt: 'x' }],
      ['/v1/embeddings', { input: 'x' }],
      ['/v1/responses', { input: 'x' }],
    ] as const) {
      const response = await ask(path, { model: 'gpt-9', ...body });
      expect([response.status, computedBy(response)]).toEqual([200, 'upstream:cloud']);
    }
    expect(asked.map(({ path }) => path)).toEqual([
      '/v1/chat/completions',
      '/v1/completions',
      '/v1/embeddings',
      '/v1/responses',
    ]);
    expect(new Set(asked.map(({ body }) => body['model']))).toEqual(new Set(['theirs']));
    expect(asked.at(-1)!.body['store']).toBe(false);
  });

  it('go elsewhere by load and by size, and come back when nothing is there', async () => {
    const { asked, url } = await provider();
    const large = here({ url, route: { spill: { prompt_tokens: 100 } } });
    expect(computedBy(await large('/v1/completions', { model: 'stub', prompt: 'x' }))).toBe('local');
    expect(computedBy(await large('/v1/completions', { model: 'stub', prompt: 'x'.repeat(1000) }))).toBe(
      'upstream:cloud',
    );
    const busy = here({ url, delayMs: 2, limits: { sequencesPerModel: 1, queueLength: 1 } });
    const answers = await Promise.all(
      [1, 2, 3, 4].map(() => busy('/v1/completions', { model: 'stub', prompt: 'a b c' })),
    );
    expect(answers.map(computedBy).toSorted()).toEqual([
      'local',
      'local',
      'upstream:cloud',
      'upstream:cloud',
    ]);
    expect(asked).toHaveLength(3);
    const down = here({ url: 'http://127.0.0.1:9/v1', policy: 'prefer-cloud' });
    expect(computedBy(await down('/v1/completions', { model: 'stub', prompt: 'x' }))).toBe('local');
    expect(computedBy(await down('/v1/embeddings', { model: 'vectors', input: 'x' }))).toBe('local');
    expect(await errorOf(await down('/v1/completions', { model: 'far', prompt: 'x' }))).toMatchObject({
      status: 502,
      code: 'upstream_unavailable',
    });
  });

  it('pass a stream on as it comes, and end one that breaks off with an error', async () => {
    const { url } = await provider(({ body }, _, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: {"n":1}\n\n');
      setTimeout(() => (body['seed'] === 1 ? response.destroy() : response.end('data: [DONE]\n\n')), 20);
    });
    const ask = here({ url });
    const whole = await ask('/v1/chat/completions', { model: 'far', messages, stream: true });
    expect(await whole.text()).toBe('data: {"n":1}\n\ndata: [DONE]\n\n');
    const broken = await ask('/v1/chat/completions', { model: 'far', messages, stream: true, seed: 1 });
    expect(await broken.text()).toMatch(/^data: \{"n":1\}\n\ndata: \{"error":.*upstream_broke_off.*\}\n\n$/);
  });

  it('tell errors in our words, without the key', async () => {
    const refusals: readonly (readonly [number, string, number])[] = [
      [401, 'upstream_unavailable', 502],
      [429, 'upstream_rate_limited', 429],
      [500, 'upstream_unavailable', 502],
      [302, 'upstream_unavailable', 502],
      [400, 'too_long', 400],
    ];
    for (const [status, code, shown] of refusals) {
      const error = { message: 'Incorrect key sk-secret', code: 'too_long', param: 'messages' };
      const headers = { location: 'http://192.0.2.1/', 'retry-after': '7' };
      const { url } = await provider(
        answerWith({ error: status === 400 ? { ...error, message: 'long' } : error }, status, headers),
      );
      const response = await here({ url })('/v1/chat/completions', { model: 'far', messages });
      if (status === 429) expect(response.headers.get('retry-after')).toBe('7');
      const told = await errorOf(response);
      expect(told).toMatchObject({ status: shown, code });
      expect(told.message).not.toContain('sk-secret');
    }
  });

  it('stop asking when the time is up, and give the place back', async () => {
    const { url } = await provider(() => {});
    const ask = here({ url, limits: { concurrentRequests: 1 } });
    for (let i = 0; i < 2; i++) {
      const late = await ask(
        '/v1/chat/completions',
        { model: 'far', messages },
        { 'x-steelyard-deadline-ms': '30' },
      );
      expect(await errorOf(late)).toMatchObject({ status: 504, code: 'deadline_exceeded' });
    }
  });
});

describe('data that must stay', () => {
  it('never leaves, however it is labelled, routed and asked', async () => {
    const { asked, url } = await provider();
    const restricted: ((body: object) => readonly [object, Record<string, string>, Partial<Routing>])[] = [
      (body) => [body, { 'x-steelyard-data-label': 'restricted' }, {}],
      (body) => [body, { 'X-Steelyard-Data-Label': ' Restricted ' }, {}],
      (body) => [{ ...body, metadata: { data_label: 'restricted' } }, {}, {}],
      (body) => [
        { ...body, metadata: { data_label: 'restricted' } },
        { 'x-steelyard-data-label': 'public' },
        {},
      ],
      (body) => [body, { 'x-steelyard-data-label': 'nobody knows this one' }, {}],
      (body) => [body, { 'x-steelyard-data-label': 'public' }, { projects: { default: 'restricted' } }],
      (body) => [body, {}, { projects: { default: 'restricted' } }],
    ];
    let answered = 0;
    for (const policy of ['prefer-local', 'prefer-cloud', 'cloud-only', 'local-only'] as const) {
      for (const label of restricted) {
        for (const model of ['stub', 'far', 'gpt-9']) {
          for (const [path, body] of [
            ['/v1/chat/completions', { messages }],
            ['/v1/chat/completions', { messages, stream: true }],
            ['/v1/completions', { prompt: 'marker' }],
            ['/v1/responses', { input: 'marker' }],
            ['/v1/messages', { messages, max_tokens: 5 }],
          ] as const) {
            const [labelled, headers, routing] = label({ model, ...body });
            const spill = { waiting: 1, prompt_tokens: 1 };
            const response = await here({ url, policy, routing, route: { spill } })(path, labelled, headers);
            await response.text();
            if (response.status === 200) expect(computedBy(response)).toBe('local');
            else expect([response.status, model === 'stub']).toEqual([403, false]);
            answered += Number(response.status === 200);
          }
        }
      }
    }
    expect(asked).toEqual([]);
    expect(answered).toBe(4 * 7 * 5);
  }, 60_000);

  it('may leave under a label that says so', async () => {
    const { asked, url } = await provider();
    const ask = here({ url, policy: 'prefer-cloud' });
    const metadata = { data_label: 'public', job: '7' };
    const response = await ask('/v1/chat/completions', { model: 'stub', messages, metadata });
    expect(computedBy(response)).toBe('upstream:cloud');
    expect(asked[0]!.body['metadata']).toEqual({ job: '7' });
  });

  it('is also what is kept here: a response goes on here', async () => {
    const { asked, url } = await provider();
    const server: KeptServer = await keptServer([createStubModel()], {
      routing: parseRouting(
        {
          upstreams: { cloud: { url } },
          routes: [{ model: 'stub', upstream: 'cloud', policy: 'prefer-cloud' }],
        },
        'test',
      ),
    });
    open.push(() => server.close());
    const post = (body: object) => server.post('/v1/responses', { model: 'stub', input: 'x', ...body });
    const first = await server.post('/v1/responses', {
      model: 'stub',
      input: 'x',
      metadata: { data_label: 'restricted' },
    });
    const { id } = (await first.json()) as { id: string };
    expect(computedBy(await post({ previous_response_id: id }))).toBe('local');
    expect(asked).toEqual([]);
    expect(computedBy(await post({}))).toBe('upstream:cloud');
    const noted = [];
    for await (const entry of server.storage().audit.read())
      if (entry.action === 'answer.upstream') noted.push(entry);
    expect(noted).toMatchObject([
      { details: { upstream: 'cloud', endpoint: '/v1/responses', model: 'stub' } },
    ]);
    expect(JSON.stringify(noted)).not.toContain('input');
  }, 60_000);

  it('is everything where nothing may go out', async () => {
    const { asked, url } = await provider();
    const allow = forbidEgress();
    open.push(allow);
    const ask = here({ url, policy: 'prefer-cloud' });
    expect(computedBy(await ask('/v1/completions', { model: 'stub', prompt: 'x' }))).toBe('local');
    expect(await errorOf(await ask('/v1/completions', { model: 'far', prompt: 'x' }))).toMatchObject({
      status: 403,
      code: 'must_stay',
      message: expect.stringContaining('--no-egress') as string,
    });
    expect(asked).toEqual([]);
  });
});

describe('a file of routes', () => {
  const upstreams = { cloud: { url: 'https://api.example.com/v1' } };
  const routes = [{ model: 'm', upstream: 'cloud', policy: 'prefer-local' }];

  it.each([
    [
      { upstreams, routes: [{ ...routes[0], upstream: 'other' }] },
      /routes\[0\]\.upstream: no such upstream; there are: cloud/,
    ],
    [
      { upstreams: { cloud: { url: 'http://api.example.com' } }, routes },
      /upstreams\.cloud\.url: expected https/,
    ],
    [{ upstreams: { cloud: { url: 'https://u:p@x.com' } }, routes }, /holds a password/],
    [
      { upstreams, routes, labels: { restricted: 'any' } },
      /labels\.restricted: data labelled so never leaves/,
    ],
    [{ upstreams, routes: [{ ...routes[0], policy: 'maybe' }] }, /routes\[0\]\.policy/],
    [{ upstreams, routes, more: 1 }, /more/],
  ])('that is wrong is refused by field', (value, message) => {
    expect(() => parseRouting(value, 'routes.json')).toThrow(message);
    expect(() => parseRouting({ upstreams, routes }, 'routes.json')).not.toThrow();
  });

  it('needs its keys', async () => {
    const { Router } = await import('./router.ts');
    const withKey = (key: object) =>
      parseRouting({ upstreams: { cloud: { ...upstreams.cloud, ...key } }, routes }, 'x');
    expect(() => new Router(withKey({ key_env: 'NONE' }), {})).toThrow(/NONE holds no key/);
    expect(() => new Router(withKey({ key_file: '/nowhere' }), {})).toThrow(
      /\/nowhere cannot be read \(ENOENT\)/,
    );
  });
});
