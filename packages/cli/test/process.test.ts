/** The command as a process: signals, pipes that close early, exit codes. The engine is a stub. */

import type { ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleOf, type Bundle, type Started } from './bundle.ts';

let bundle: Bundle;
beforeAll(async () => (bundle = await bundleOf('stub-main.ts')), 60_000);
afterAll(() => bundle.remove());

const start = (args: readonly string[], env: Record<string, string> = {}): Started => bundle.start(args, env);

function firstOutput(stream: NodeJS.ReadableStream | null): Promise<void> {
  return new Promise((resolve) => stream?.once('data', () => resolve()));
}

function endInput(child: ChildProcess, text: string): void {
  child.stdin?.end(text);
}

describe('steelyard as a process', () => {
  it('answers a pipe on stdout alone', async () => {
    const { child, finished } = start(['run', 'tiny']);
    endInput(child, 'hello');
    expect(await finished).toEqual({ code: 0, stdout: '1: hello\n', stderr: '' });
  });

  it('ends quietly when its reader does, as under head', async () => {
    const { child, finished } = start(['run', 'tiny'], { STUB_REPEAT: '20000' });
    endInput(child, 'hello');
    await firstOutput(child.stdout);
    child.stdout.destroy();
    const { code, stderr } = await finished;
    expect([code, stderr]).toEqual([0, '']);
  });

  it('stops on Ctrl-C with 130', async () => {
    const { child, finished } = start(['run', 'tiny'], { STUB_DELAY_MS: '5' });
    endInput(child, 'a long answer '.repeat(100));
    await firstOutput(child.stdout);
    child.kill('SIGINT');
    const { code, stdout } = await finished;
    expect(code).toBe(130);
    expect(stdout).toMatch(/^1/);
    expect(stdout.length).toBeLessThan(1000);
  });

  it('serves until SIGTERM', async () => {
    const { child, finished } = start(['serve', '--port', '0']);
    await firstOutput(child.stdout);
    child.kill('SIGTERM');
    const { code, stdout } = await finished;
    expect(code).toBe(0);
    expect(stdout).toMatch(/curl http:\/\/127\.0\.0\.1:\d+\/v1\/chat\/completions/);
  });

  it('exits 2 for wrong usage and 1 for a model that is not there', async () => {
    const [usage, missing] = [start(['run', 'a', '--wat']), start(['show', 'nothing'])];
    expect((await usage.finished).code).toBe(2);
    const { code, stderr } = await missing.finished;
    expect(code).toBe(1);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});
