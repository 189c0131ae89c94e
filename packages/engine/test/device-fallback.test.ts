/**
 * Which backend is chosen as the better ones go missing: native, then WebAssembly, then reference. What is loaded is
 * kept for the life of a module, so each case imports the packages anew under its own environment.
 */

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Backend } from '@steelyard/graph';
import { afterEach, expect, it, vi } from 'vitest';

const NOWHERE = join(tmpdir(), 'no-such-kernels');

interface Choice {
  readonly name: string;
  readonly notices: readonly string[];
}

async function choose(environment: Readonly<Record<string, string>>): Promise<Choice> {
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  const { selectBackend } = await import('../src/node/devices.ts');
  const notices: string[] = [];
  const backend: Backend = selectBackend('auto', {}, (notice) => notices.push(notice));
  backend.dispose();
  return { name: backend.name, notices };
}

async function isWasmBuilt(): Promise<boolean> {
  const { wasmAvailability } = await import('@steelyard/backend-cpu');
  return wasmAvailability().available;
}

afterEach(() => {
  vi.unstubAllEnvs();
  vi.resetModules();
});

it('falls back to WebAssembly where the native kernels are missing, and says why', async (context) => {
  if (!(await isWasmBuilt())) context.skip();
  vi.resetModules();
  const { name, notices } = await choose({ STEELYARD_NATIVE: NOWHERE });
  expect(name).toBe('wasm');
  expect(notices).toHaveLength(1);
  expect(notices[0]).toContain('the cpu backend does not work here (the native kernels are not built');
});

it('falls back to the reference where neither is there, with a reason for each', async () => {
  const { name, notices } = await choose({ STEELYARD_NATIVE: NOWHERE, STEELYARD_WASM: NOWHERE });
  expect(name).toBe('reference');
  expect(notices).toHaveLength(2);
  expect(notices[1]).toContain('the wasm backend does not work here (the WebAssembly kernels are not built');
});

it('refuses a named backend that does not work instead of choosing another', async () => {
  vi.stubEnv('STEELYARD_WASM', NOWHERE);
  const { selectBackend } = await import('../src/node/devices.ts');
  expect(() => selectBackend('wasm', {})).toThrow(/the wasm backend does not work here.*steelyard doctor/);
});
