import { connect } from 'node:net';
import { createServer as createHttpServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { fakeModel, pause, type FakeOptions } from '../test/fake-model.ts';
import { listenOnFreePort } from './http/listen.ts';
import { providerOf } from './model-provider.ts';
import type { ServerOptions, SteelyardServer } from './options.ts';
import { createServer } from './server.ts';

const running: SteelyardServer[] = [];
const taken: Server[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.close()));
  for (const server of taken.splice(0)) server.close();
});

async function start(fake: FakeOptions = {}, options: Partial<ServerOptions> = {}) {
  const model = fakeModel(fake);
  const server = createServer({
    models: providerOf([model]),
    port: 0,
    chatPage: false,
    limits: { drainMs: 50 },
    ...options,
  });
  running.push(server);
  const { url, port } = await server.listen();
  const chat = (body: object, signal?: AbortSignal) =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'fake', messages: [{ role: 'user', content: 'hi' }], ...body }),
      ...(signal ? { signal } : {}),
    });
  return { server, model, url, port, chat };
}

describe('listening', () => {
  it('answers on the address that it tells', async () => {
    const { url } = await start();
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });

  it('wants a key where other machines reach it', () => {
    const options = { models: providerOf([fakeModel()]), host: '0.0.0.0' };
    expect(() => createServer(options)).toThrow(/0\.0\.0\.0 can be reached by other machines.*--api-key/);
    expect(() => createServer({ ...options, apiKey: '' })).toThrow(/no key is asked for/);
    expect(() => createServer({ ...options, apiKey: 'sesame' })).not.toThrow();
  });

  it('takes the next free port, or says that all are taken', async () => {
    const blocker = createHttpServer();
    taken.push(blocker);
    const port = await listenOnFreePort(blocker, { host: '127.0.0.1', port: 0 });
    const other = createHttpServer();
    taken.push(other);
    expect(await listenOnFreePort(other, { host: '127.0.0.1', port, attempts: 50 })).toBeGreaterThan(port);
    expect((other.address() as AddressInfo).port).toBeGreaterThan(port);
    await expect(listenOnFreePort(createHttpServer(), { host: '127.0.0.1', port })).rejects.toThrow(
      `could not bind port ${port} on 127.0.0.1 (EADDRINUSE)`,
    );
  });
});

describe('clients that leave', () => {
  it.each([
    ['streaming', true],
    ['waiting for the whole answer', false],
  ])('stop their generation while %s', async (_, stream) => {
    const { model, chat } = await start({ pieces: Array<string>(1000).fill('x'), pace: pause(5) });
    const leave = new AbortController();
    const response = chat({ stream, n: 2 }, leave.signal).then((r) => r.text());
    response.catch(() => {});
    await expect.poll(() => model.stats().completionTokensTotal).toBeGreaterThan(2);
    expect(model.stats().running).toBe(2);
    leave.abort();
    await expect.poll(() => model.stats().running).toBe(0);
    expect(model.aborted()).toBe(2);
    await expect(response).rejects.toThrow();
  });
});

describe('clients that read slowly', () => {
  /** Sends a request and reads nothing. */
  function deafClient(port: number, body: object) {
    const socket = connect(port, '127.0.0.1');
    const json = JSON.stringify({ model: 'fake', messages: [{ role: 'user', content: 'hi' }], ...body });
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${json.length}\r\n\r\n${json}`,
    );
    socket.pause();
    socket.on('error', () => {});
    return socket;
  }

  it('hold neither others nor memory: their generation waits for them', async () => {
    const pieces = Array<string>(2000).fill('y'.repeat(64 * 1024));
    const { model, port, chat } = await start({ pieces });
    const deaf = deafClient(port, { stream: true });
    await expect.poll(() => model.stats().completionTokensTotal).toBeGreaterThan(0);
    const other = await chat({ max_tokens: 3 });
    expect(other.status).toBe(200);
    const reached = model.stats().completionTokensTotal;
    await new Promise((resolve) => setTimeout(resolve, 50));
    const later = model.stats().completionTokensTotal;
    // What the sockets' own buffers hold, far from the 2,000 pieces of the answer.
    expect(later).toBeLessThan(1000);
    expect(later - reached).toBeLessThan(500);
    deaf.destroy();
    await expect.poll(() => model.stats().running).toBe(0);
  });

  it('are cut off when they read nothing for too long', async () => {
    const pieces = Array<string>(2000).fill('y'.repeat(64 * 1024));
    const { model, port } = await start({ pieces }, { limits: { stallMs: 50, drainMs: 50 } });
    const logged = vi.spyOn(console, 'error').mockImplementation(() => {});
    const deaf = deafClient(port, { stream: true });
    await expect.poll(() => model.stats().completionTokensTotal).toBeGreaterThan(0);
    await expect.poll(() => model.stats().running).toBe(0);
    await expect.poll(() => String(logged.mock.calls[0]?.[0])).toContain('read nothing for 50 ms');
    logged.mockRestore();
    deaf.destroy();
  });
});

describe('readiness', () => {
  const ready = async (url: string) => {
    const response = await fetch(`${url}/health/ready`);
    return [response.status, await response.json()] as const;
  };

  it('is refused with every reason until the last is gone, while it lives', async () => {
    const { server, url } = await start();
    expect(await ready(url)).toEqual([200, { ready: true, reasons: [] }]);
    const [one, two] = [server.notReady('loading a'), server.notReady('loading b')];
    expect(await ready(url)).toEqual([503, { ready: false, reasons: ['loading a', 'loading b'] }]);
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
    one();
    one();
    expect(await ready(url)).toEqual([503, { ready: false, reasons: ['loading b'] }]);
    two();
    expect(await ready(url)).toEqual([200, { ready: true, reasons: [] }]);
  });

  it('waits for the database, and says when it cannot be opened', async () => {
    const faults: unknown[] = [];
    let fail = (_: Error): void => undefined;
    const storage = () => new Promise<never>((_, reject) => (fail = reject));
    const { url } = await start({}, { storage, keys: false, onError: (error) => faults.push(error) });
    expect(await ready(url)).toEqual([503, { ready: false, reasons: ['opening the database'] }]);
    fail(new Error('no route to postgresql://user:secret@host'));
    await expect.poll(() => faults).toHaveLength(1);
    expect(await ready(url)).toEqual([503, { ready: false, reasons: ['the database cannot be opened'] }]);
  });

  it('is refused while it closes', async () => {
    const { server } = await start();
    const closed = server.close();
    const response = await server.app.request('/health/ready');
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('5');
    expect(await response.json()).toEqual({ ready: false, reasons: ['shutting down'] });
    expect((await server.app.request('/health/live')).status).toBe(200);
    await closed;
  });
});

describe('closing', () => {
  it('lets answers in progress finish', async () => {
    const { server, model, chat } = await start({ pace: pause(20) }, { limits: { drainMs: 5000 } });
    const answer = chat({ stream: true }).then((response) => response.text());
    await expect.poll(() => model.stats().running).toBe(1);
    await server.close();
    expect(await answer).toContain('[DONE]');
  });

  it('listens until they have: it is alive, not ready, and tells who asks to come again', async () => {
    let goOn = (): void => undefined;
    const held = new Promise<void>((resolve) => (goOn = resolve));
    const { server, model, url, chat } = await start({ pace: () => held }, { limits: { drainMs: 10_000 } });
    const answer = chat({ stream: true }).then((response) => response.text());
    await expect.poll(() => model.stats().running).toBe(1);
    const closed = server.close();
    const ready = await fetch(`${url}/health/ready`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toEqual({ ready: false, reasons: ['shutting down'] });
    const live = await fetch(`${url}/health/live`);
    expect([live.status, live.headers.get('connection')]).toEqual([200, 'close']);
    for (const refused of [await chat({}), await fetch(`${url}/v1/models`)]) {
      expect(refused.status).toBe(503);
      expect(refused.headers.get('retry-after')).toBe('5');
      expect(refused.headers.get('connection')).toBe('close');
      expect(await refused.json()).toMatchObject({ error: { code: 'server_shutting_down' } });
    }
    goOn();
    expect(await answer).toContain('[DONE]');
    await closed;
    await expect(fetch(`${url}/health/live`)).rejects.toThrow('fetch failed');
  });

  it('aborts what takes longer, and tells the client', async () => {
    const { server, model, chat } = await start({ pieces: Array<string>(1000).fill('x'), pace: pause(5) });
    const streamed = chat({ stream: true }).then((response) => response.text());
    const whole = chat({}).then(async (response) => ({
      status: response.status,
      text: await response.text(),
    }));
    await expect.poll(() => model.stats().running).toBe(2);
    await server.close();
    expect(await streamed).toMatch(/"code":"server_shutting_down"\}\}\n\n$/);
    expect(await whole).toMatchObject({
      status: 503,
      text: expect.stringContaining('shutting down') as string,
    });
    expect(model.stats().running).toBe(0);
  });

  it('can close before it listened, and twice', async () => {
    const server = createServer({ models: providerOf([fakeModel()]), chatPage: false });
    await server.close();
    await server.close();
  });
});
