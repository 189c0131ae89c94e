/** What the native kernels are compiled from: a unit for each instruction-set level of an architecture, and the rest. */

import { join } from 'node:path';
import { kernels } from './toolchain.mjs';

export const commonFlags = [
  '-std=c++20',
  '-fPIC',
  '-fvisibility=hidden',
  '-fno-exceptions',
  '-ffp-contract=off',
  '-Wall',
  '-Wextra',
  '-Wno-psabi',
  // g++ 12 warns about its own AVX-512 header.
  '-Wno-maybe-uninitialized',
  '-Wno-uninitialized',
  '-Wno-unknown-warning-option',
];

const avx2 = ['-mavx2', '-mfma', '-mf16c'];
const avx512 = [
  ...avx2,
  '-mavx512f',
  '-mavx512bw',
  '-mavx512vl',
  '-mavx512dq',
  '-mavx512vnni',
  '-mprefer-vector-width=512',
];

const avx512bf16 = [...avx512, '-mavx512bf16', '-DSY_LEVEL=avx512bf16'];
const amx = [...avx512, '-mamx-tile', '-mamx-int8', '-DSY_AMX', '-DSY_LEVEL=amx'];

/** Flags by level; `kernels/dispatch.cc` chooses among just these. */
const levels = {
  x64: { scalar: [], avx2, avx512, avx512bf16, amx },
  arm64: {
    scalar: ['-march=armv8-a', '-DSY_SCALAR'],
    neon: ['-march=armv8-a'],
    dotprod: ['-march=armv8.2-a+dotprod'],
    i8mm: ['-march=armv8.2-a+dotprod+i8mm'],
  },
};

/** Everything but the levels and the entry point, which is the addon or a program. */
const shared = [
  'tape',
  'op-rules',
  'executor',
  'memory',
  'packed-weights',
  'thread-pool',
  'platform',
  'dispatch',
];

const emulated = ['-DSY_AMX', '-DSY_AMX_EMULATED', '-DSY_LEVEL=amx_emulated'];

const unit = (name, source = `${name}.cc`, flags = []) => ({ name, source: join(kernels, source), flags });

/** Units of all levels of an architecture, as Node names it. */
export function kernelUnits(architecture) {
  return [
    ...Object.entries(levels[architecture] ?? { scalar: [] }).map(([level, flags]) =>
      unit(level, 'level.cc', flags),
    ),
    ...shared.map((name) => unit(name)),
  ];
}

/** Units of plain kernels, and of `amx_emulated`: the matrix unit in plain C++ over them. */
export function emulatedUnits() {
  const tables = '-DSY_TABLES=SY_TABLE(amx_emulated, true, true) SY_TABLE(scalar, true, true)';
  return [
    unit('scalar', 'level.cc', ['-DSY_SCALAR']),
    unit('amx-emulated', 'level.cc', ['-DSY_SCALAR', ...emulated]),
    ...shared.map((name) => unit(name, `${name}.cc`, name === 'dispatch' ? [tables] : [])),
  ];
}
