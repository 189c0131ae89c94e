/**
 * Compiles the native kernels with the system's C++ compiler, only what changed. Without a compiler it says so
 * and succeeds: the WebAssembly build runs then.
 *
 *   node scripts/build.mjs [--quiet] [--asan]
 */

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findCompiler, kernels, makeProgram } from './toolchain.mjs';
import { commonFlags, kernelUnits } from './units.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const asan = process.argv.includes('--asan');
const quiet = process.argv.includes('--quiet');
const out = join(root, 'build', asan ? 'asan' : 'release');
const say = (text) => quiet || console.error(text);

const compiler = findCompiler([process.env.CXX, 'c++', 'g++', 'clang++']);
if (process.platform === 'win32' || !compiler) {
  say(
    'no C++ compiler found: the slower WebAssembly kernels will be used. Install g++ or clang++ and run: npm run build',
  );
  process.exit(0);
}
try {
  const built = await makeProgram({
    compiler,
    out,
    target: join(out, 'steelyard_cpu.node'),
    units: [...kernelUnits(process.arch), { name: 'napi', source: join(kernels, 'napi.cc'), flags: [] }],
    flags: [
      ...commonFlags,
      ...(asan
        ? ['-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=undefined']
        : ['-O3', '-DNDEBUG']),
    ],
    include: [createRequire(import.meta.url)('node-api-headers').include_dir],
    link: [
      '-shared',
      ...(process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : ['-pthread']),
      ...(asan ? ['-fsanitize=address,undefined'] : []),
    ],
  });
  say(
    built ? `native kernels built with ${compiler.version.split('\n')[0]}` : 'native kernels are up to date',
  );
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
