/**
 * SIGKILL while files come and go: what was acknowledged is there afterwards, byte for byte. A few kills by default;
 * `npm run test:kill` does a hundred. It proves nothing about a loss of power: the system's cache outlives a process.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'vite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { FileList, FileObject } from '../src/schemas/files.ts';

const KILLS = Number(process.env['STEELYARD_KILLS'] ?? 4);
const WRITERS = 4;
/** Acknowledged writes before a kill, at most, and milliseconds from the last of them. */
const MOST_WRITES = 20;
const LONGEST = 60;
const MOST_BYTES = 200_000;

// Below the package, so that its dependencies are found.
const folder = join(import.meta.dirname, '..', 'build', `kill-test-${process.pid}`);
const directory = mkdtempSync(join(tmpdir(), 'steelyard-kill-'));
const migrations = join(import.meta.dirname, '..', '..', 'storage', 'migrations');

beforeAll(async () => {
  await build({
    configFile: false,
    logLevel: 'error',
    ssr: { noExternal: [/^@steelyard\//], resolve: { conditions: ['source'] } },
    build: {
      ssr: join(import.meta.dirname, 'kill-server.ts'),
      outDir: join(folder, 'dist'),
      minify: false,
      rollupOptions: { output: { entryFileNames: 'kill-server.mjs' } },
    },
  });
  cpSync(migrations, join(folder, 'migrations'), { recursive: true });
}, 60_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(directory, { recursive: true, force: true });
});

async function start(): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [join(folder, 'dist', 'kill-server.mjs'), directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const url of createInterface({ input: child.stdout })) return { child, url };
  throw new Error('the server ended before it told its address');
}

/** Contents in a fixed order, so that a failure can be run again. */
function contents(seed: number): () => Buffer {
  let state = seed;
  const next = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0);
  return () => {
    const bytes = Buffer.alloc(1 + (next() % MOST_BYTES));
    bytes.fill(createHash('sha256').update(String(next())).digest());
    return bytes;
  };
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** What the server has acknowledged. A deletion on its way may have happened or not. */
interface Acknowledged {
  readonly kept: Map<string, string>;
  readonly deleted: Set<string>;
  readonly leaving: Set<string>;
}

async function writeUntilKilled(url: string, seed: number, told: Acknowledged): Promise<void> {
  const content = contents(seed);
  const own: string[] = [];
  for (let i = 0; ; i++) {
    try {
      const bytes = content();
      const body = new FormData();
      body.append('purpose', 'batch');
      body.append('file', new File([new Uint8Array(bytes)], `${i}.jsonl`));
      const response = await fetch(`${url}/v1/files`, { method: 'POST', body });
      expect(response.status).toBe(200);
      const { id } = (await response.json()) as FileObject;
      told.kept.set(id, sha256(bytes));
      own.push(id);
      if (i % 3 === 2) await remove(url, own.shift()!, told);
    } catch (error) {
      // A connection that broke is the kill; anything else is a failure.
      if (error instanceof TypeError) return;
      throw error;
    }
  }
}

async function remove(url: string, id: string, told: Acknowledged): Promise<void> {
  told.leaving.add(id);
  const response = await fetch(`${url}/v1/files/${id}`, { method: 'DELETE' });
  expect(response.status).toBe(200);
  await response.json();
  told.kept.delete(id);
  told.deleted.add(id);
}

async function check(url: string, told: Acknowledged): Promise<void> {
  const list = (await (await fetch(`${url}/v1/files`)).json()) as FileList;
  const there = new Set(list.data.map((file) => file.id));
  for (const id of told.deleted) expect(there.has(id), `${id} was deleted`).toBe(false);
  for (const id of told.leaving) if (!there.has(id)) told.kept.delete(id);
  told.leaving.clear();
  for (const id of told.kept.keys()) expect(there.has(id), `${id} was acknowledged`).toBe(true);
  // Those not acknowledged too: a row without its content would be a loss to whoever lists it.
  for (const { id } of list.data) {
    const response = await fetch(`${url}/v1/files/${id}/content`);
    expect(response.status, id).toBe(200);
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (told.kept.has(id)) expect(sha256(bytes), id).toBe(told.kept.get(id));
  }
}

const writes = (told: Acknowledged): number => told.kept.size + 2 * told.deleted.size;

async function reached(told: Acknowledged, count: number): Promise<void> {
  while (writes(told) < count) await sleep(2);
}

/** Older files go, so that each round checks about as much as the first. */
async function clear(url: string, told: Acknowledged): Promise<void> {
  const list = (await (await fetch(`${url}/v1/files`)).json()) as FileList;
  for (const { id } of list.data.slice(10)) await remove(url, id, told);
}

it(
  `keeps what it acknowledged over ${KILLS} kills`,
  async () => {
    const told: Acknowledged = { kept: new Map(), deleted: new Set(), leaving: new Set() };
    let acknowledged = 0;
    for (let round = 0; round < KILLS; round++) {
      const { child, url } = await start();
      await check(url, told);
      await clear(url, told);
      const before = writes(told);
      const writers = Array.from({ length: WRITERS }, (_, i) =>
        writeUntilKilled(url, round * WRITERS + i, told),
      );
      const writing = Promise.all(writers);
      await Promise.race([writing, reached(told, before + Math.floor(Math.random() * (MOST_WRITES + 1)))]);
      expect(child.exitCode, 'the server ended by itself').toBe(null);
      await sleep(Math.random() * LONGEST);
      child.kill('SIGKILL');
      await once(child, 'exit');
      await writing;
      acknowledged += writes(told) - before;
    }
    const { child, url } = await start();
    await check(url, told);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(readdirSync(join(directory, 'blobs', 'staging'))).toEqual([]);
    console.log(`${KILLS} kills, ${acknowledged} writes acknowledged, none lost`);
    expect(acknowledged).toBeGreaterThan(0);
  },
  60_000 + KILLS * 15_000,
);
