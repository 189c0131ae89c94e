import { setTimeout as sleep } from 'node:timers/promises';
import { createStubModel } from '@steelyard/engine/testing';
import { describe, expect, it } from 'vitest';
import { post } from '../../test/requests.ts';
import { providerOf } from '../model-provider.ts';
import type { ServerLimits } from '../options.ts';
import { createServer } from '../server.ts';

interface ErrorAnswer {
  readonly error: { readonly code: string; readonly message: string };
}

function serverWith(limits: Partial<ServerLimits>, delayMs = 0) {
  const faults: unknown[] = [];
  const { app } = createServer({
    models: providerOf([createStubModel({ delayMs })]),
    chatPage: false,
    limits,
    onError: (error) => faults.push(error),
  });
  const ask = (words: number, more: object = {}, headers: Record<string, string> = {}) => {
    const messages = [{ role: 'user', content: 'word '.repeat(words) }];
    const body = JSON.stringify({ model: 'stub', messages, ...more });
    const init = { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body };
    return Promise.resolve(app.request('/v1/chat/completions', init));
  };
  const metric = async (name: string) => {
    const text = await (await app.request('/metrics')).text();
    return Number(new RegExp(`^${name}(?:\\{.*\\})? (.+)$`, 'm').exec(text)?.[1] ?? 0);
  };
  return { app, ask, metric, faults };
}

async function errorOf(response: Response) {
  const { error } = (await response.json()) as ErrorAnswer;
  return { status: response.status, code: error.code, retryAfter: response.headers.get('retry-after') };
}

describe('the queue of a server', () => {
  it('answers 429 with Retry-After when too many wait, and all others', async () => {
    const { ask } = serverWith({ sequencesPerModel: 1, queueLength: 3 }, 1);
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(5)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(4);
    const refused = await errorOf(answers.find(({ status }) => status !== 200)!);
    expect(refused).toMatchObject({ status: 429, code: 'queue_full' });
    expect(Number(refused.retryAfter)).toBeGreaterThanOrEqual(1);
  });

  it('holds no more bytes of bodies than allowed, but takes any one alone', async () => {
    const { ask } = serverWith({ concurrentBytes: 1000 }, 1);
    const size = { 'content-length': '800' };
    const [first, second] = await Promise.all([ask(5, {}, size), ask(5, {}, size)]);
    expect(first.status).toBe(200);
    expect(await errorOf(second)).toMatchObject({ status: 429, code: 'too_many_requests' });
    expect((await ask(5, {}, { 'content-length': '5000' })).status).toBe(200);
  });

  it('lets a slow reader hold nobody up', async () => {
    const { ask, metric } = serverWith({ sequencesPerModel: 1 });
    const unread = await ask(500, { stream: true });
    expect(unread.status).toBe(200);
    expect((await ask(5)).status).toBe(200);
    expect(await metric('steelyard_generation_requests_active')).toBe(1);
    expect((await unread.text()).match(/word/g)).toHaveLength(500);
    expect(await metric('steelyard_generation_requests_active')).toBe(0);
  });

  it('gives up where the time of a request has passed, in the queue or in the answer', async () => {
    const { ask, faults, metric } = serverWith({ sequencesPerModel: 1 }, 5);
    const within = (ms: string) => ({ 'x-steelyard-deadline-ms': ms });
    expect(await errorOf(await ask(1000, {}, within('30')))).toMatchObject({
      status: 504,
      code: 'deadline_exceeded',
    });
    const long = new AbortController();
    const running = ask(1000, { stream: true });
    await running;
    expect(await errorOf(await ask(5, {}, within('30')))).toMatchObject({ status: 504 });
    expect(await metric('steelyard_queue_waiting')).toBe(0);
    const text = await (await ask(1000, { stream: true }, within('60'))).text().catch(() => '');
    long.abort();
    expect(text === '' || text.includes('deadline_exceeded')).toBe(true);
    await (await running).body?.cancel();
    expect(await errorOf(await ask(5, {}, within('soon')))).toMatchObject({
      status: 400,
      code: 'invalid_value',
    });
    expect(faults).toEqual([]);
  });

  it('takes a deadline for all from the server', async () => {
    const { ask } = serverWith({ deadlineMs: 20 }, 5);
    expect(await errorOf(await ask(1000))).toMatchObject({ status: 504, code: 'deadline_exceeded' });
    expect((await ask(1, {}, { 'x-steelyard-deadline-ms': '60000' })).status).toBe(200);
  });

  it('stops what waits when its client leaves', async () => {
    const { app, ask, metric } = serverWith({ sequencesPerModel: 1 }, 5);
    const running = await ask(1000, { stream: true });
    const client = new AbortController();
    const init = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'stub', prompt: 'x' }),
      signal: client.signal,
    };
    const waiting = Promise.resolve(app.request('/v1/completions', init));
    while ((await metric('steelyard_queue_waiting')) === 0) await sleep(1);
    client.abort();
    expect((await waiting).status).toBe(499);
    expect(await metric('steelyard_queue_waiting')).toBe(0);
    await running.body?.cancel();
    expect((await post(app, '/v1/completions', { model: 'stub', prompt: 'x' })).status).toBe(200);
  });
});
