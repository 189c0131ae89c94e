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
import { createServer, providerOf } from '@steelyard/server';
import { expect, it, vi } from 'vitest';

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
    const server = createServer({
      models: providerOf([model]),
      port: 0,
      chatPage: false,
      apiKey: 'sesame',
      limits: { drainMs: 0 },
    });
    try {
      const found = await pythonWithSdk(folder);
      if ('reason' in found) {
        console.warn(`Python SDK not checked: ${found.reason}`);
        return skip(`no Python with the openai package: ${found.reason}`);
      }
      const { url } = await server.listen();
      const { stdout } = await run(found.python, [script, `${url}/v1`], { timeout: CHECKS_MS });
      expect(
        stdout
          .trim()
          .split('\n')
          .filter((line) => line.startsWith('ok ')),
      ).toHaveLength(7);
      await vi.waitFor(() => expect(model.stats().running).toBe(0));
    } finally {
      await server.close();
      await rm(folder, { recursive: true, force: true });
    }
  },
  2 * INSTALL_MS + CHECKS_MS,
);
