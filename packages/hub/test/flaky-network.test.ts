/** Downloads over bad networks: whatever happens, the model is whole or absent, and bytes are not fetched twice. */

import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { pull } from '../src/index.ts';
import { fakeHub } from './fake-hub.ts';
import { randomBytesOf, sendFile, sendJson, serve, sha256 } from './serve.ts';
import { FAST, temporaryStore } from './temporary-store.ts';

const BODY = randomBytesOf(400_000, 1);
const FILES = { 'm.gguf': BODY };
const SOURCE = 'hf:owner/repo';

afterEach(() => vi.restoreAllMocks());

describe('flaky', () => {
  it('goes on after each drop, with ranges, beyond the number of tries while bytes come', async () => {
    await using hub = await fakeHub(FILES);
    hub.behave = (_, count) => ({ dropAfter: count <= 6 ? 50_000 : undefined });
    await using place = await temporaryStore();
    const model = await pull(SOURCE, { store: place.store, env: hub.env, ...FAST });
    expect((await readFile(model.path)).equals(BODY)).toBe(true);
    const ranges = hub.log.filter((line) => line.includes('bytes='));
    expect(ranges).toHaveLength(6);
    expect(ranges.at(-1)).toContain('bytes=300000-');
  });

  it('gives up with the numbers when nothing comes, and a later pull goes on', async () => {
    await using hub = await fakeHub(FILES);
    hub.behave = (_, count) => ({ dropAfter: count === 1 ? 100_000 : 0 });
    await using place = await temporaryStore();
    const options = { store: place.store, env: hub.env, ...FAST };
    await expect(pull(SOURCE, options)).rejects.toMatchObject({ code: 'network' });
    expect(await place.store.list()).toEqual([]);
    expect(await place.names('blobs')).toEqual([]);
    hub.behave = () => ({});
    const model = await pull(SOURCE, options);
    expect((await readFile(model.path)).equals(BODY)).toBe(true);
    expect(hub.log.at(-1)).toContain('bytes=100000-');
    expect(await place.names('partial')).toEqual([]);
  });

  it('starts over when the server ignores ranges', async () => {
    await using hub = await fakeHub(FILES);
    hub.behave = (_, count) => ({ ignoresRange: true, dropAfter: count === 1 ? 100_000 : undefined });
    await using place = await temporaryStore();
    const model = await pull(SOURCE, { store: place.store, env: hub.env, ...FAST });
    expect((await readFile(model.path)).equals(BODY)).toBe(true);
  });

  it('never joins two versions of a file without promised hash: a changed ETag starts over', async () => {
    const other = randomBytesOf(300_000, 2);
    let count = 0;
    await using server = await serve((request, response) => {
      count++;
      sendFile(request, response, count === 1 ? BODY : other, {
        dropAfter: count === 1 ? 100_000 : undefined,
      });
    });
    await using place = await temporaryStore();
    const model = await pull(`${server.url}/m.gguf`, { store: place.store, env: {}, ...FAST });
    expect((await readFile(model.path)).equals(other)).toBe(true);
    expect(server.log.at(-1)).toContain('bytes=100000-');
  });

  it('refuses a 206 of another version although the server sent it', async () => {
    const other = randomBytesOf(400_000, 2);
    let count = 0;
    await using server = await serve((request, response) => {
      count++;
      if (count === 1) return sendFile(request, response, BODY, { etag: '"one"', dropAfter: 100_000 });
      if (count === 2) delete request.headers['if-range'];
      sendFile(request, response, other, { etag: '"two"' });
    });
    await using place = await temporaryStore();
    const model = await pull(`${server.url}/m.gguf`, { store: place.store, env: {}, ...FAST });
    expect((await readFile(model.path)).equals(other)).toBe(true);
  });

  it('refuses bytes that are not the promised ones, and leaves nothing of them', async () => {
    await using hub = await fakeHub({ 'm.gguf': BODY, LICENSE: Buffer.from('terms') });
    await using place = await temporaryStore();
    const options = { store: place.store, env: hub.env, ...FAST };
    hub.behave = (path) => (path === 'm.gguf' ? { body: randomBytesOf(BODY.length, 9) } : {});
    await expect(pull(SOURCE, options)).rejects.toThrow(/SHA-256 is .* was promised/);
    hub.behave = (path) => (path === 'm.gguf' ? { body: Buffer.concat([BODY, BODY]) } : {});
    await expect(pull(SOURCE, options)).rejects.toThrow(/800000 bytes, 400000 were promised/);
    expect(await place.names('partial')).toEqual([]);
    expect(await place.names('blobs')).toEqual([]);
    hub.behave = (path) => (path === 'LICENSE' ? { body: Buffer.from('tarms') } : {});
    await expect(pull(SOURCE, options)).rejects.toThrow(/git hash/);
    expect(await place.store.list()).toEqual([]);
  });

  it('starts over once when the bytes of an earlier try were bad', async () => {
    await using hub = await fakeHub(FILES);
    hub.behave = () => ({ dropAfter: 100_000, body: randomBytesOf(BODY.length, 9) });
    await using place = await temporaryStore();
    const options = { store: place.store, env: hub.env, retryDelayMs: 1, attempts: 1 };
    await expect(pull(SOURCE, options)).rejects.toMatchObject({ code: 'network' });
    hub.behave = () => ({ etag: `"${sha256(randomBytesOf(BODY.length, 9)).slice(0, 16)}"` });
    const notices: string[] = [];
    const model = await pull(SOURCE, { ...options, onNotice: (text) => notices.push(text) });
    expect((await readFile(model.path)).equals(BODY)).toBe(true);
    expect(notices.join()).toMatch(/starting over/);
  });

  it('waits out 503 and 429, and does not repeat 400', async () => {
    const answers = [503, 429, 503];
    await using hub = await fakeHub(FILES);
    await using place = await temporaryStore();
    await using front = await serve((request, response) => {
      const status = answers.shift();
      if (status === undefined) response.writeHead(307, { location: hub.url + (request.url ?? '') }).end();
      else response.writeHead(status, { 'retry-after': '0' }).end();
    });
    const env = { HF_ENDPOINT: front.url, HF_TOKEN: '' };
    const options = { store: place.store, env, retryDelayMs: 1, attempts: 4 };
    expect((await pull(SOURCE, options)).bytes).toBe(BODY.length);
    const before = front.log.length;
    answers.push(400, 400, 400);
    await expect(pull(SOURCE, options)).rejects.toThrow(/answered 400/);
    expect(front.log.length).toBe(before + 1);
  });

  it('stops at the signal and goes on later', async () => {
    await using hub = await fakeHub(FILES);
    hub.behave = () => ({ slowly: 20_000 });
    await using place = await temporaryStore();
    const stop = new AbortController();
    const options = { store: place.store, env: hub.env, ...FAST };
    const stopped = pull(SOURCE, {
      ...options,
      signal: stop.signal,
      onProgress: ({ receivedBytes }) => receivedBytes > 0 && stop.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ code: 'aborted' });
    expect(await place.names('locks')).toEqual([]);
    expect(await place.names('tmp')).toEqual([]);
    hub.behave = () => ({});
    expect((await readFile((await pull(SOURCE, options)).path)).equals(BODY)).toBe(true);
    expect(hub.log.at(-1)).toMatch(/bytes=[1-9]\d*-/);
  });
});

describe('disk', () => {
  it('asks for space before the first byte, with numbers', async () => {
    const entry = { type: 'file', path: 'm.gguf', size: 9e15, lfs: { oid: 'a'.repeat(64), size: 9e15 } };
    await using server = await serve((request, response) =>
      sendJson(response, request.url?.includes('/tree/') ? [entry] : { sha: 'a'.repeat(40) }),
    );
    await using place = await temporaryStore();
    const env = { HF_ENDPOINT: server.url, HF_TOKEN: '' };
    const tried = pull('hf:a/b', { store: place.store, env, ...FAST });
    await expect(tried).rejects.toThrow(/needs 9000 TB more, but the disk of .* has .* free/);
    expect(server.log.some((line) => line.includes('resolve'))).toBe(false);
  });

  it('keeps what it has when the disk fills, and goes on when there is room', async () => {
    await using hub = await fakeHub(FILES);
    await using place = await temporaryStore();
    const options = { store: place.store, env: hub.env, ...FAST };
    const probe = await open(join(place.folder, 'probe'), 'w');
    const handle = Object.getPrototypeOf(probe) as { write: (...args: unknown[]) => Promise<unknown> };
    await probe.close();
    const write = handle.write;
    let room = 100_000;
    vi.spyOn(handle, 'write').mockImplementation(async function (this: unknown, ...args: unknown[]) {
      const result = (await write.call(this, args[0], args[1], Math.min(Number(args[2]), room))) as {
        bytesWritten: number;
      };
      if (room === 0) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      room -= result.bytesWritten;
      return result;
    });
    await expect(pull(SOURCE, options)).rejects.toThrow(
      /is full \(ENOSPC, .* more needed, .* free\).*is kept/,
    );
    expect(await place.store.list()).toEqual([]);
    const partial = (await place.names('partial')).find((name) => !name.endsWith('.json')) ?? '';
    expect((await stat(join(place.root, 'partial', partial))).size).toBe(100_000);
    vi.restoreAllMocks();
    expect((await readFile((await pull(SOURCE, options)).path)).equals(BODY)).toBe(true);
    expect(hub.log.at(-1)).toContain('bytes=100000-');
  });
});
