/** What doctor says of backends as they go missing. */

import { expect, it } from 'vitest';
import { checkBackend, checkWasm } from './machine.ts';

const noNative = { available: false, reason: 'the native kernels are not built; install g++', threads: 4 };
const noWasm = {
  available: false,
  reason: 'the WebAssembly kernels are not built; run: npm run build -- --all',
};

it('names the WebAssembly build in use where there are no native kernels', () => {
  const report = { ...noNative, wasm: { available: true, variant: 'relaxed-simd' } };
  expect(checkBackend(report, undefined, {})).toEqual({
    name: 'backend',
    status: 'warn',
    found:
      'WebAssembly (relaxed-simd), 1 thread: slower than native; native: the native kernels are not built',
    advice: 'install a C++20 compiler (clang or gcc), then: npm run build',
  });
  expect(checkWasm(report).status).toBe('ok');
});

it('gives the reason against each where only the reference is left', () => {
  const report = { ...noNative, wasm: noWasm };
  expect(checkBackend(report, 'g++ 12', {}).found).toBe(
    'reference, in plain TypeScript: right, but slow; native: the native kernels are not built; ' +
      'WebAssembly: the WebAssembly kernels are not built',
  );
  expect(checkWasm(report)).toMatchObject({ status: 'warn', advice: 'npm run build -- --all' });
});

it('finds no fault in missing WebAssembly kernels where native ones run', () => {
  const report = { available: true, level: 'avx2', threads: 4, wasm: noWasm };
  expect(checkBackend(report, undefined, {}).status).toBe('ok');
  expect(checkWasm(report).status).toBe('ok');
});

it('says what the operating system keeps from the kernels', () => {
  const refused = 'amx: arch_prctl refused tiles: Operation not permitted';
  const report = { available: true, level: 'avx512', threads: 4, refused };
  expect(checkBackend(report, undefined, {})).toEqual({
    name: 'backend',
    status: 'ok',
    found: `native, avx512 kernels (the best that it has for this processor), 4 threads; not used: ${refused}`,
  });
});
