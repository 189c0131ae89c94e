/**
 * OpenAI's official Python SDK against the server, in an environment that the test makes for itself. Where Python or
 * the package cannot be had, the test is skipped and says why.
 */

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createStubModel } from '@steelyard/engine/testing';
import { providerOf } from '@steelyard/server';
import { expect, it } from 'vitest';
import { startKeptServer } from './kept-over-socket.ts';

const run = promisify(execFile);
const script = fileURLToPath(new URL('openai_sdk.py', import.meta.url));
const INSTALL_MS = 90_000;
const CHECKS_MS = 60_000;

/** @returns the Python of a fresh environment that has the SDK, or why there is none */
async function pythonWithSdk(folder: string): Promise<{ python: string } | { reason: string }> {
  const given = process.env.STEELYARD_TEST_PYTHON;
  if (given) return { python: given };
  try {
    await run('python3', ['-m', 'venv', folder], { timeout: INSTALL_MS });
    const python = join(folder, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
    const pip = [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--disable-pip-version-check',
      '--retries',
      '1',
      'openai<3',
    ];
    await run(python, pip, { timeout: INSTALL_MS });
    return { python };
  } catch (error) {
    return { reason: (error as Error).message.trim().split('\n').at(-1) ?? 'unknown' };
  }
}

it(
  'every check of openai_sdk.py',
  async ({ skip }) => {
    const folder = await mkdtemp(join(tmpdir(), 'steelyard-openai-'));
    const model = createStubModel({ name: 'stub', delayMs: 1, contextLength: 2000 });
    const kept = await startKeptServer({ models: providerOf([model]), apiKey: 'sesame' });
    try {
      const found = await pythonWithSdk(folder);
      if ('reason' in found) {
        console.warn(`Python SDK not checked: ${found.reason}`);
        return skip(`no Python with the openai package: ${found.reason}`);
      }
      const { stdout } = await run(found.python, [script, `${kept.url}/v1`], { timeout: CHECKS_MS });
      const lines = stdout.trim().split('\n');
      const passed = lines.filter((line) => line.startsWith('ok '));
      expect(passed.length).toBeGreaterThan(0);
      expect(lines.at(-1)).toBe(`${passed.length} checks`);
      await expect.poll(() => model.stats().running).toBe(0);
    } finally {
      await kept.close();
      await rm(folder, { recursive: true, force: true });
    }
  },
  2 * INSTALL_MS + CHECKS_MS,
);
