import { CapacityError, FormatError, NotFoundError } from '@steelyard/core';
import { createStubEmbeddingModel, createStubModel } from '@steelyard/engine/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createServer } from '../server.ts';
import { post } from '../../test/requests.ts';
import type { CatalogModel } from './catalog.ts';
import { ModelPool, type PoolOptions } from './model-pool.ts';

/** What happened to models, in order: `+a` loaded, `-a` gone. */
function world(sizes: Record<string, number>, options: Partial<PoolOptions> = {}) {
  const log: string[] = [];
  const held = { now: 0, most: 0 };
  const opens = new Map<string, () => Promise<void>>();
  const entry = (name: string, memoryBytes: number): CatalogModel => ({
    name,
    key: name,
    describe(availableBytes) {
      if (memoryBytes > availableBytes) throw new CapacityError(`${memoryBytes} of ${availableBytes} bytes`);
      return name.startsWith('embed')
        ? { kind: 'embedding', info: createStubEmbeddingModel({ name }).info, memoryBytes }
        : { kind: 'language', info: createStubModel({ name }).info, memoryBytes };
    },
    async open() {
      held.now += memoryBytes;
      held.most = Math.max(held.most, held.now);
      try {
        await (opens.get(name)?.() ?? Promise.resolve());
      } catch (error) {
        held.now -= memoryBytes;
        throw error;
      }
      log.push(`+${name}`);
      const model = name.startsWith('embed') ? createStubEmbeddingModel({ name }) : createStubModel({ name });
      return {
        ...model,
        async dispose() {
          await Promise.resolve();
          held.now -= memoryBytes;
          log.push(`-${name}`);
        },
      };
    },
  });
  const catalog = Object.entries(sizes).map(([name, bytes]) => entry(name, bytes));
  const pool = new ModelPool({ list: () => catalog }, { memoryBytes: 100, ...options });
  const acquire = (name: string, more = {}) => pool.models.acquire!(name, more);
  return { pool, log, held, opens, catalog, entry, acquire };
}

const turns = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await Promise.resolve();
};

afterEach(() => vi.useRealTimers());

describe('ModelPool', () => {
  it('loads once for all who come first, and keeps several', async () => {
    const { pool, log, acquire } = world({ a: 40, b: 40 });
    const [one, two, other] = await Promise.all([acquire('a'), acquire('A'), acquire('b')]);
    expect(one.model).toBe(two.model);
    expect(other.model.info.name).toBe('b');
    expect(log.toSorted()).toEqual(['+a', '+b']);
    expect(pool.usedBytes).toBe(80);
    expect(pool.models.loaded().map(({ users, memoryBytes }) => [users, memoryBytes])).toEqual([
      [2, 40],
      [1, 40],
    ]);
  });

  it('sends away the idle model that was used longest ago', async () => {
    const { log, acquire } = world({ a: 40, b: 40, c: 40 });
    for (const name of ['a', 'b', 'a']) (await acquire(name)).release();
    await acquire('c');
    expect(log).toEqual(['+a', '+b', '-b', '+c']);
  });

  it('never sends away one in use: the newcomer waits, and those after it queue behind', async () => {
    const { log, acquire, held } = world({ a: 60, b: 60 });
    const busy = await acquire('a');
    const waiting = acquire('b');
    await turns();
    const later = acquire('a');
    await turns();
    expect(log).toEqual(['+a']);
    busy.release();
    const b = await waiting;
    expect(log).toEqual(['+a', '-a', '+b']);
    b.release();
    (await later).release();
    expect(log).toEqual(['+a', '-a', '+b', '-b', '+a']);
    expect(held.most).toBeLessThanOrEqual(100);
  });

  it('stays within its budget whatever is asked, and everybody is served', async () => {
    const { acquire, held, pool } = world({ a: 50, b: 50, c: 70, d: 100 });
    let state = 1;
    const next = () => (state = (state * 48_271) % 2_147_483_647);
    await Promise.all(
      Array.from({ length: 300 }, async () => {
        const name = 'abcd'[next() % 4]!;
        for (let i = next() % 9; i > 0; i--) await Promise.resolve();
        const { model, release } = await acquire(name);
        expect(model.info.name).toBe(name);
        for (let i = next() % 9; i > 0; i--) await Promise.resolve();
        release();
      }),
    );
    expect(held.most).toBeLessThanOrEqual(100);
    await pool.dispose();
    expect(held.now).toBe(0);
  });

  it('unloads after a time without use, and not what is resident', async () => {
    vi.useFakeTimers();
    const { pool, log, acquire, catalog } = world({ a: 40, b: 40 }, { keepAliveMs: 1000 });
    catalog[1] = { ...catalog[1]!, resident: true };
    (await acquire('a')).release();
    (await acquire('b')).release();
    await vi.advanceTimersByTimeAsync(999);
    const lease = await acquire('a');
    await vi.advanceTimersByTimeAsync(5000);
    expect(log).toEqual(['+a', '+b']);
    lease.release();
    expect(pool.models.loaded().at(-1)!.expiresAt).toBe(Date.now() + 1000);
    await vi.advanceTimersByTimeAsync(1000);
    expect(log).toEqual(['+a', '+b', '-a']);
    (await acquire('b', { keepAliveMs: 0 })).release();
    await vi.advanceTimersByTimeAsync(1);
    expect(log).toEqual(['+a', '+b', '-a', '-b']);
  });

  it('tells all who wait of a load that failed, and tries again at the next request', async () => {
    const { opens, acquire, pool, held } = world({ a: 40 });
    opens.set('a', () => Promise.reject(new FormatError('a.gguf: cut short')));
    const both = await Promise.allSettled([acquire('a'), acquire('a')]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect([pool.usedBytes, held.now]).toEqual([0, 0]);
    opens.clear();
    expect((await acquire('a')).model.info.name).toBe('a');
  });

  it('forgets a wait that was given up', async () => {
    const { log, acquire, pool } = world({ a: 60, b: 60 });
    const busy = await acquire('a');
    const stop = new AbortController();
    const waiting = acquire('b', { signal: stop.signal });
    await turns();
    stop.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    busy.release();
    await turns();
    expect(log).toEqual(['+a', '-a']);
    expect(pool.usedBytes).toBe(0);
  });

  it('loads again what has other files now', async () => {
    const { log, acquire, catalog, entry } = world({ a: 40 });
    const old = await acquire('a');
    catalog[0] = { ...entry('a', 40), key: 'a2' };
    expect((await acquire('a')).model).not.toBe(old.model);
    expect(log).toEqual(['+a', '+a']);
  });
});

describe('a server over a pool', () => {
  it('lists every model with its state, loads on demand, and refuses what never fits', async () => {
    const { pool } = world({ a: 60, b: 60, huge: 101, embedder: 40 });
    const { app } = createServer({
      models: pool.models,
      embeddingModels: pool.embeddingModels,
      chatPage: false,
      onError: () => {},
    });
    const states = async () => {
      const { data } = (await (await app.request('/v1/models')).json()) as {
        data: { id: string; steelyard: { state: string; memory_bytes: number } }[];
      };
      return Object.fromEntries(data.map(({ id, steelyard }) => [id, steelyard.state]));
    };
    const chat = (model: string) =>
      post(app, '/v1/chat/completions', { model, messages: [{ role: 'user', content: 'Hi' }] });
    expect(await states()).toEqual({ a: 'available', b: 'available', embedder: 'available' });
    expect((await chat('a')).status).toBe(200);
    expect((await post(app, '/v1/embeddings', { model: 'embedder', input: 'x' })).status).toBe(200);
    expect(await states()).toEqual({ a: 'loaded', b: 'available', embedder: 'loaded' });
    expect((await chat('b')).status).toBe(200);
    expect(await states()).toEqual({ a: 'available', b: 'loaded', embedder: 'loaded' });

    const refused = await chat('huge');
    expect(refused.status).toBe(400);
    const { error } = (await refused.json()) as { error: { message: string; code: string } };
    expect([error.code, error.message]).toEqual([
      'model_too_large',
      "The model 'huge' does not fit in this server's memory: 101 of 100 bytes.",
    ]);
    const wrong = await chat('embedder');
    expect([wrong.status, await wrong.text()]).toEqual([400, expect.stringMatching(/makes vectors/)]);
    expect((await chat('nobody')).status).toBe(404);
    await expect(pool.models.acquire!('nobody')).rejects.toThrow(NotFoundError);
    await pool.dispose();
  });
});
