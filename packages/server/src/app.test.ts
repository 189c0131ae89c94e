import { createStubModel } from '@steelyard/engine/testing';
import { describe, expect, it, vi } from 'vitest';
import { fakeModel, pause } from '../test/fake-model.ts';
import { post } from '../test/requests.ts';
import { Bucket, limitHeaders } from './access/rate-limit.ts';
import { providerOf } from './model-provider.ts';
import type { ServerOptions } from './options.ts';
import { createServer } from './server.ts';
import { COMPUTED_BY_HEADER } from './upstreams/router.ts';

const hello = { model: 'fake', messages: [{ role: 'user', content: 'Say hello' }] };

function appWith(options: Partial<ServerOptions> = {}) {
  return createServer({ models: providerOf([fakeModel()]), chatPage: false, ...options }).app;
}

async function errorOf(response: Response | Promise<Response>) {
  const resolved = await response;
  const body = (await resolved.json()) as { error: Record<string, unknown> };
  return { status: resolved.status, ...body.error };
}

describe('models, health, metrics', () => {
  it('lists models and shows one, whose name may hold slashes', async () => {
    const app = appWith({ models: providerOf([fakeModel({ name: 'hf:a/b' }), fakeModel()]) });
    const list = (await (await app.request('/v1/models')).json()) as {
      object: string;
      data: { id: string }[];
    };
    expect(list.object).toBe('list');
    expect(list.data.map((model) => model.id)).toEqual(['hf:a/b', 'fake']);
    for (const path of ['/v1/models/hf:a/b', '/v1/models/hf%3Aa%2Fb']) {
      const model: unknown = await (await app.request(path)).json();
      expect(model).toMatchObject({ id: 'hf:a/b', object: 'model', owned_by: 'steelyard' });
    }
    expect((await app.request('/v1/models/HF:A/b')).status).toBe(200);
    const twins = providerOf([fakeModel({ name: 'One' }), fakeModel({ name: 'one' })]);
    expect((await twins.get('one')).info.name).toBe('one');
    expect(() => twins.get('ONE')).toThrow(/models served: 'One', 'one'/);
    const long = await errorOf(post(app, '/v1/completions', { model: 'x'.repeat(1e5), prompt: 'a' }));
    expect(JSON.stringify(long).length).toBeLessThan(1500);
    expect(await errorOf(app.request('/v1/models/none'))).toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
  });

  it('is healthy', async () => {
    const response = await appWith({ version: '9.9.9' }).request('/health');
    expect(await response.json()).toEqual({ status: 'ok', version: '9.9.9', active_requests: 0 });
  });

  it('counts requests and shows the engine', async () => {
    const app = appWith();
    await post(app, '/v1/chat/completions', hello);
    await post(app, '/v1/chat/completions', {});
    const response = await app.request('/metrics');
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/);
    const text = await response.text();
    expect(text).toContain('steelyard_http_requests_total{endpoint="/v1/chat/completions",status="200"} 1');
    expect(text).toContain('steelyard_http_requests_total{endpoint="/v1/chat/completions",status="400"} 1');
    expect(text).toContain('steelyard_completion_tokens_total{model="fake"} 3');
    expect(text).toContain('steelyard_kv_pages{model="fake"} 8');
    expect(text).toContain('steelyard_memory_bytes{model="fake",purpose="kv"} 2');
    expect(text).toContain(
      'steelyard_time_to_first_token_seconds_count{endpoint="/v1/chat/completions",model="fake"} 1',
    );
    // Reading twice does not count twice.
    expect(await (await app.request('/metrics')).text()).toContain(
      'steelyard_completion_tokens_total{model="fake"} 3',
    );
  });
});

describe('requests that are wrong before their fields', () => {
  const chat = '/v1/chat/completions';

  it.each([
    ['nothing', '', 'invalid_json'],
    ['broken JSON', '{"model": ', 'invalid_json'],
    ['an array', '[]', 'invalid_type'],
    ['a string', '"x"', 'invalid_type'],
    ['null', 'null', 'invalid_type'],
    ['deep nesting', '['.repeat(100_000), 'json_too_deep'],
    ['brackets in a string only', `{"x": "${'['.repeat(1000)}\\"["}`, 'missing_required_parameter'],
  ])('400 for %s', async (_, body, code) => {
    expect(await errorOf(post(appWith(), chat, body))).toMatchObject({ status: 400, code });
  });

  it('400 for bytes that are not UTF-8', async () => {
    const body = new Uint8Array([0x22, 0xff, 0x22]);
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
    expect(await errorOf(appWith().request(chat, init))).toMatchObject({ status: 400, code: 'invalid_json' });
  });

  it('413 above the limit, declared or not', async () => {
    const app = appWith({ limits: { bodyBytes: 100 } });
    expect(await errorOf(post(app, chat, 'x'.repeat(101)))).toMatchObject({ status: 413 });
    const declared = { 'content-type': 'application/json', 'content-length': '101' };
    expect(await errorOf(app.request(chat, { method: 'POST', headers: declared, body: '{}' }))).toMatchObject(
      {
        status: 413,
      },
    );
  });

  it('415 for another content type', async () => {
    const init = { method: 'POST', headers: { 'content-type': 'text/plain' }, body: '{}' };
    expect(await errorOf(appWith().request(chat, init))).toMatchObject({
      status: 415,
      code: 'unsupported_content_type',
    });
  });

  it('405 with the methods allowed, 404 for unknown paths', async () => {
    const response = await appWith().request('/v1/embeddings');
    expect(response.headers.get('allow')).toBe('POST');
    expect(await errorOf(response)).toMatchObject({ status: 405, code: 'method_not_allowed' });
    const model = await appWith().request('/v1/models/a/b', { method: 'PUT' });
    expect(await errorOf(model)).toMatchObject({
      message: 'PUT is not allowed on /v1/models/{model}; expected GET.',
    });
    expect(await errorOf(appWith().request('/v1/nothing'))).toMatchObject({
      status: 404,
      code: 'unknown_url',
    });
    expect(await errorOf(appWith().request('/nothing'))).toMatchObject({ status: 404, code: 'unknown_url' });
  });

  it('warns of no leak with many choices', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const model = createStubModel({ name: 'fake' });
    const app = appWith({ models: providerOf([model]) });
    expect((await post(app, chat, { ...hello, n: 40 })).status).toBe(200);
    expect(warned).not.toHaveBeenCalled();
    warned.mockRestore();
  });

  it('429 above the limit of requests in progress', async () => {
    const models = providerOf([fakeModel({ pace: pause(1e9) })]);
    const app = appWith({ models, limits: { concurrentRequests: 1 } });
    const active = async (): Promise<unknown> => (await app.request('/health')).json();
    const leave = new AbortController();
    const init = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(hello),
      signal: leave.signal,
    };
    const first = app.request(chat, init);
    await expect.poll(active).toMatchObject({ active_requests: 1 });
    const second = await post(app, chat, hello);
    expect(second.headers.get('retry-after')).toBe('1');
    expect(await errorOf(second)).toMatchObject({ status: 429, type: 'rate_limit_error' });
    leave.abort();
    expect((await first).status).toBe(499);
    expect(await active()).toMatchObject({ active_requests: 0 });
  });
});

describe('who may call', () => {
  it('refuses names that are not this machine, against DNS rebinding', async () => {
    const app = appWith();
    for (const host of [
      'evil.example',
      'evil.example:8642',
      '127.0.0.1.evil.example',
      'localhost.evil.example',
    ]) {
      expect(await errorOf(app.request('/v1/models', { headers: { host } }))).toMatchObject({
        status: 403,
        code: 'host_not_allowed',
      });
    }
    for (const host of ['localhost:1', '127.0.0.1:8642', '127.9.9.9', '[::1]:8642', 'LOCALHOST']) {
      expect((await app.request('/v1/models', { headers: { host } })).status).toBe(200);
    }
    const open = appWith({ allowedHosts: ['box.lan'] });
    expect((await open.request('/v1/models', { headers: { host: 'box.lan:80' } })).status).toBe(200);
  });

  it('refuses pages of other origins unless allowed', async () => {
    const headers = { host: 'localhost:8642', origin: 'https://page.example' };
    expect(await errorOf(appWith().request('/v1/models', { headers }))).toMatchObject({
      status: 403,
      code: 'origin_not_allowed',
    });
    expect(
      await errorOf(appWith().request('/v1/models', { headers: { ...headers, origin: 'null' } })),
    ).toMatchObject({ status: 403 });
    const own = { ...headers, origin: 'http://localhost:8642' };
    expect((await appWith().request('/v1/models', { headers: own })).status).toBe(200);
    const app = appWith({ allowedOrigins: ['https://page.example'] });
    const allowed = await app.request('/v1/models', { headers });
    expect(allowed.status).toBe(200);
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://page.example');
    const preflight = await app.request('/v1/chat/completions', {
      method: 'OPTIONS',
      headers: { ...headers, 'access-control-request-headers': 'x-stainless-os' },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-headers')).toBe('x-stainless-os');
  });

  it('lets allowed pages read what answers say besides their bodies', async () => {
    const headers = { host: 'localhost:8642', origin: 'https://page.example' };
    const app = appWith({ allowedOrigins: ['https://page.example'], limits: { concurrentRequests: 0 } });
    const refused = await app.request('/v1/chat/completions', {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(hello),
    });
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).not.toBe(null);
    const exposed = refused.headers.get('access-control-expose-headers')!.split(', ');
    const bucket = new Bucket(1, () => 0);
    const told = [
      ...[...refused.headers.keys()].filter((name) => /^(x-request|request|retry|x-steelyard)-/.test(name)),
      ...Object.keys(limitHeaders([{ requests: bucket, tokens: bucket }])),
      ...['retry-after-ms', COMPUTED_BY_HEADER],
    ];
    expect(exposed).toEqual(expect.arrayContaining(told));
  });

  it('asks for the key where there is one', async () => {
    const app = appWith({ apiKey: 'sesame' });
    expect(await errorOf(app.request('/v1/models'))).toMatchObject({ status: 401, code: 'missing_api_key' });
    const wrong = { headers: { authorization: 'Bearer open' } };
    expect(await errorOf(app.request('/v1/models', wrong))).toMatchObject({
      status: 401,
      code: 'invalid_api_key',
    });
    const right = { headers: { authorization: 'Bearer sesame' } };
    expect((await app.request('/v1/models', right)).status).toBe(200);
    expect((await app.request('/health')).status).toBe(200);
  });
});

describe('chat page', () => {
  it('comes with a policy that lets it load nothing from elsewhere, or says what to build', async () => {
    const response = await appWith({ chatPage: true }).request('/');
    if (response.status === 503) {
      expect(await errorOf(response)).toMatchObject({
        code: 'chat_page_missing',
        message: expect.stringContaining('npm run build') as string,
      });
      return;
    }
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('content-security-policy')).toContain(
      "default-src 'none'; script-src 'self'",
    );
    const script = await appWith({ chatPage: true }).request('/main.js');
    expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect((await appWith({ chatPage: true }).request('/other.js')).status).toBe(404);
  });
});
