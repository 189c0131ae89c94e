/** What `npm start` and other scripts of this workspace start ends with them. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';

const script = (name: string) =>
  pathToFileURL(join(import.meta.dirname, '..', '..', '..', 'scripts', name)).href;
/** Tells its id, and does not end by itself. */
const FOREVER = 'console.log(process.pid); setInterval(() => {}, 1_000);';

const pids: number[] = [];
afterEach(() => {
  for (const pid of pids.splice(0)) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** @returns the id that it writes first */
async function firstPid(child: ChildProcess): Promise<number> {
  pids.push(child.pid!);
  for await (const line of createInterface({ input: child.stdout! })) {
    pids.push(Number(line));
    return Number(line);
  }
  throw new Error('it ended without a word');
}

const gone = (pid: number) => expect.poll(() => isAlive(pid)).toBe(false);

it.skipIf(process.platform === 'win32')('ends when the shell that npm put around it is gone', async () => {
  const code = `import(${JSON.stringify(script('orphaned.mjs'))}).then((one) => { one.endWhenOrphaned(); ${FOREVER} })`;
  // The second command keeps the shell from becoming the first.
  const shell = spawn('sh', ['-c', '"$0" -e "$1"; true', process.execPath, code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const pid = await firstPid(shell);
  shell.kill('SIGTERM');
  await gone(pid);
});

it.skipIf(process.platform === 'win32')(
  'leaves no child when a step of a script is told to end',
  async () => {
    const code = `import(${JSON.stringify(script('run.mjs'))}).then((one) => one.runNode(['-e', ${JSON.stringify(FOREVER)}]))`;
    const outer = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
    const pid = await firstPid(outer);
    outer.kill('SIGTERM');
    const [, signal] = (await once(outer, 'exit')) as [number | null, string | null];
    expect(signal).toBe('SIGTERM');
    await gone(pid);
  },
);
