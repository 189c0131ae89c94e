/** Real processes on one store: pulling at once, killed in the middle. */

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pull, type StoredModel } from '../src/index.ts';
import { fakeHub } from './fake-hub.ts';
import { randomBytesOf } from './serve.ts';
import { FAST, temporaryStore } from './temporary-store.ts';

const BODY = randomBytesOf(600_000, 1);
const here = dirname(fileURLToPath(import.meta.url));
let built = '';

beforeAll(async () => {
  // Within the package, so that the program finds the libraries it imports.
  const modules = join(here, '..', 'node_modules');
  await mkdir(modules, { recursive: true });
  built = await mkdtemp(join(modules, '.child-'));
  await build({
    configFile: false,
    logLevel: 'silent',
    resolve: { conditions: ['source'] },
    ssr: { resolve: { conditions: ['source'] }, noExternal: [/^@steelyard\//] },
    build: { ssr: join(here, 'pull-child.ts'), outDir: built, target: 'node20', minify: false },
  });
});
afterAll(() => rm(built, { recursive: true, force: true }));

function start(root: string, env: Record<string, string>): { child: ChildProcess; output: Promise<string> } {
  const child = spawn(process.execPath, [join(built, 'pull-child.js')], {
    env: { ...process.env, ...env, STORE: root, SOURCE: 'hf:owner/repo' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const output = new Promise<string>((resolve) => {
    let text = '';
    child.stdout?.on('data', (data: Buffer) => (text += data.toString()));
    child.on('close', () => resolve(text));
  });
  return { child, output };
}

function received(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => child.stdout?.once('data', () => resolve()));
}

describe('processes', () => {
  it('two pull the same at once: one downloads, both have it', async () => {
    await using hub = await fakeHub({ 'm.gguf': BODY });
    hub.behave = () => ({ slowly: 20_000 });
    await using place = await temporaryStore();
    const outputs = await Promise.all([start(place.root, hub.env).output, start(place.root, hub.env).output]);
    const models = outputs.map((text) => JSON.parse(text.trim().split('\n').at(-1) ?? '') as StoredModel);
    expect(models[0]?.path).toBe(models[1]?.path);
    expect((await readFile(models[0]?.path ?? '')).equals(BODY)).toBe(true);
    expect(hub.log.filter((line) => line.includes('/resolve/'))).toHaveLength(1);
    expect(await place.names('locks')).toEqual([]);
  });

  it('one is killed in the middle: no model is there, and the next goes on with its bytes', async () => {
    await using hub = await fakeHub({ 'm.gguf': BODY });
    hub.behave = () => ({ slowly: 20_000 });
    await using place = await temporaryStore();
    const { child, output } = start(place.root, hub.env);
    await received(child);
    child.kill('SIGKILL');
    await output;
    expect(await place.store.list()).toEqual([]);
    expect(await place.names('blobs')).toEqual([]);
    const partial =
      (await readdir(join(place.root, 'partial'))).find((name) => !name.endsWith('.json')) ?? '';
    const { size } = await stat(join(place.root, 'partial', partial));
    expect(size).toBeGreaterThan(0);
    expect(size).toBeLessThan(BODY.length);
    const model = await pull('hf:owner/repo', { store: place.store, env: hub.env, ...FAST });
    expect((await readFile(model.path)).equals(BODY)).toBe(true);
    expect(hub.log.at(-1)).toContain(`bytes=${size}-`);
    expect(await place.names('tmp')).toEqual([]);
    expect(await place.names('locks')).toEqual([]);
  });
});
