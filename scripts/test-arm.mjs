/**
 * `npm run test:arm`: the kernels of Arm64 under qemu, with the cases of test/recorded-cases.test.ts. Needs a cross
 * compiler and qemu-user; CI on Debian or Ubuntu installs them. Where they cannot be had it says so and skips.
 */

import { execFileSync } from 'node:child_process';
import { buildRunner, runnerEnvironment } from '../packages/backend-cpu/scripts/build-runner.mjs';
import { findCompiler } from '../packages/backend-cpu/scripts/toolchain.mjs';
import { kernelUnits } from '../packages/backend-cpu/scripts/units.mjs';
import { runNode } from './run.mjs';

const COMPILER = 'aarch64-linux-gnu-g++';
const EMULATOR = 'qemu-aarch64';
const PACKAGES = ['g++-aarch64-linux-gnu', 'qemu-user'];

const find = () => ({ compiler: findCompiler([COMPILER]), emulator: findCompiler([EMULATOR]) });

function install() {
  try {
    for (const args of [
      ['update', '-qq'],
      ['install', '-y', '-qq', '--no-install-recommends', ...PACKAGES, 'libc6-dev-arm64-cross'],
    ])
      execFileSync('apt-get', args, { stdio: ['ignore', 'ignore', 'inherit'], timeout: 300_000 });
  } catch (error) {
    console.error(`apt-get failed: ${error.message}`);
  }
}

let found = find();
if (!(found.compiler && found.emulator) && process.env.CI && process.getuid?.() === 0) {
  install();
  found = find();
}
if (!(found.compiler && found.emulator)) {
  console.log(
    `skipped: the Arm64 kernels were not tested; install ${PACKAGES.join(' and ')} and run: npm run test:arm`,
  );
  process.exit(0);
}

const program = await buildRunner({
  compiler: found.compiler,
  units: kernelUnits('arm64'),
  name: 'arm64',
  flags: ['-O2', '-static'],
});

/** Processors, the levels that each has and those that it lacks. */
const machines = [
  { cpu: 'cortex-a72', levels: 'scalar neon', absent: 'dotprod i8mm' },
  { cpu: 'cortex-a76', levels: 'dotprod', absent: 'i8mm' },
  { cpu: 'max', levels: 'i8mm', absent: '' },
];
for (const { cpu, levels, absent } of machines) {
  const code = await runNode(
    ['node_modules/vitest/vitest.mjs', 'run', 'packages/backend-cpu/test/recorded-cases.test.ts'],
    { env: runnerEnvironment(`${EMULATOR} -cpu ${cpu} ${program}`, levels, absent) },
  );
  if (code) process.exit(code);
}
