/**
 * SIGKILL while objects of every kind come, change and go: what was acknowledged is there afterwards, and what goes on in
 * the background goes on. A few kills by default; `npm run test:kill` does a hundred, as CI does. It proves nothing about
 * a loss of power: the system's cache outlives a process.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'vite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { apiAt, Killed, type Api } from './api.ts';
import { randomFrom, type Kind, type Random } from './kind.ts';
import { allKinds } from './kinds/index.ts';

const KILLS = Number(process.env['STEELYARD_KILLS'] ?? 4);
const SEED = Number(process.env['STEELYARD_SEED'] ?? Date.now() % 1_000_000);
/** Acknowledged writes before a kill, at most, and milliseconds: whichever comes first, and up to `LATER` more. */
const MOST_WRITES = 30;
const LONGEST = 2_000;
const LATER = 60;
/** Servers killed side by side, each with a directory of its own: a hundred kills cost some four seconds of a core each. */
const SERVERS = Math.min(2, KILLS);

// Below the package, so that its dependencies are found.
const folder = join(import.meta.dirname, '..', '..', 'build', `kill-test-${process.pid}`);
const directories = mkdtempSync(join(tmpdir(), 'steelyard-kill-'));
const migrations = join(import.meta.dirname, '..', '..', '..', 'storage', 'migrations');

beforeAll(async () => {
  await build({
    configFile: false,
    logLevel: 'error',
    ssr: { noExternal: [/^@steelyard\//], resolve: { conditions: ['source'] } },
    build: {
      ssr: join(import.meta.dirname, 'server.ts'),
      outDir: join(folder, 'dist'),
      minify: false,
      rollupOptions: { output: { entryFileNames: 'server.mjs' } },
    },
  });
  cpSync(migrations, join(folder, 'migrations'), { recursive: true });
}, 60_000);

const running = new Set<ChildProcess>();
/** One of the servers has failed: the others start no more. */
let isOver = false;

afterAll(() => {
  isOver = true;
  for (const child of running) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
  rmSync(directories, { recursive: true, force: true });
});

async function start(directory: string): Promise<{ child: ChildProcess; api: Api }> {
  if (isOver) throw new Error('another server has failed');
  const child = spawn(process.execPath, [join(folder, 'dist', 'server.mjs'), directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.add(child);
  for await (const url of createInterface({ input: child.stdout })) return { child, api: apiAt(url) };
  throw new Error('the server ended before it told its address');
}

async function kill(child: ChildProcess): Promise<void> {
  expect(child.exitCode, 'the server ended by itself').toBe(null);
  child.kill('SIGKILL');
  await once(child, 'exit');
  running.delete(child);
}

async function writeUntilKilled(kind: Kind, api: Api, random: Random): Promise<void> {
  try {
    for (;;) await kind.write(api, random);
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
  }
}

/** Not always all: what waits for a quiet server gets on too. */
function some(kinds: readonly Kind[], random: Random): readonly Kind[] {
  const chosen = kinds.filter(() => random(2) === 0);
  return chosen.length > 0 ? chosen : kinds;
}

const total = (kinds: readonly Kind[]): number => kinds.reduce((sum, kind) => sum + kind.acknowledged(), 0);

async function reached(kinds: readonly Kind[], count: number): Promise<void> {
  while (total(kinds) < count) await sleep(2);
}

/** @returns what was acknowledged, by kind */
async function killAgainAndAgain(directory: string, kills: number, seed: number): Promise<readonly Kind[]> {
  const random = randomFrom(seed);
  const kinds = allKinds();
  for (let round = 0; round < kills; round++) {
    const { child, api } = await start(directory);
    for (const kind of kinds) await kind.check(api);
    for (const kind of kinds) await kind.clear(api);
    const writers = round === 0 ? kinds : some(kinds, random);
    const enough = new AbortController();
    const writing = Promise.all(
      writers.map((kind, i) => writeUntilKilled(kind, api, randomFrom(seed + round * kinds.length + i))),
    );
    await Promise.race([
      writing,
      reached(kinds, total(kinds) + random(MOST_WRITES + 1)),
      sleep(random(LONGEST), undefined, { signal: enough.signal }),
    ]);
    enough.abort();
    await sleep(random(LATER));
    await kill(child);
    await writing;
  }
  const { child, api } = await start(directory);
  for (const kind of kinds) await kind.check(api);
  for (const kind of kinds) await kind.end?.(api);
  await kill(child);
  expect(readdirSync(join(directory, 'blobs', 'staging'))).toEqual([]);
  return kinds;
}

it(
  `keeps what it acknowledged over ${KILLS} kills`,
  async () => {
    console.log(`STEELYARD_SEED=${SEED}`);
    const started = performance.now();
    const each = Array.from({ length: SERVERS }, (_, i) => {
      const kills = Math.floor((KILLS + i) / SERVERS);
      return killAgainAndAgain(join(directories, String(i)), kills, SEED + i * 100_000);
    });
    const kinds = (await Promise.all(each)).flat();
    const names = new Set(kinds.map(({ name }) => name));
    const counts = [...names].map((name) => `${name} ${total(kinds.filter((kind) => kind.name === name))}`);
    const seconds = Math.round((performance.now() - started) / 1_000);
    console.log(
      `${KILLS} kills in ${seconds} s, ${total(kinds)} writes acknowledged, none lost (${counts.join(', ')})`,
    );
    expect(total(kinds)).toBeGreaterThan(0);
  },
  60_000 + KILLS * 30_000,
);
