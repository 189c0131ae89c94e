/**
 * Compiles the same kernels to WebAssembly with the clang of @yowasp/clang, itself WebAssembly: no system toolchain.
 * Modules of 32-bit and of 64-bit addresses, each with relaxed SIMD too for hosts that have it. No libraries are linked,
 * as they come for 32 bits only: see kernels/wasm-library.cc. Nothing is done while the inputs are unchanged.
 * A cold build takes some minutes of processor time, so where the native kernels are built it waits to be asked for.
 *
 *   node scripts/build-wasm.mjs [--quiet] [--fallback] [VARIANT...]     --fallback: only where there are no native kernels
 */

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generateHeader } from './generate-header.mjs';
import { inParallel } from './toolchain.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const kernels = join(root, 'kernels');
const out = join(root, 'build', 'wasm');
const quiet = process.argv.includes('--quiet');
const say = (text) => quiet || console.error(text);

const common = [
  '-std=c++20',
  '-O3',
  '-DNDEBUG',
  '-fno-exceptions',
  '-fno-rtti',
  '-fno-threadsafe-statics',
  '-ffp-contract=off',
  '-Wall',
  '-Wextra',
  '-msimd128',
  '-matomics',
  '-mbulk-memory',
];
const link = [
  '-nostdlib',
  '-Wl,--no-entry',
  '-Wl,--strip-all',
  '-Wl,-z,stack-size=1048576',
  '-Wl,--shared-memory',
  '-Wl,--import-memory',
  '-Wl,--initial-memory=4194304',
  '-Wl,--export=__stack_pointer',
];
/** Native files that the module leaves out: the addon and the operating system's pages. */
const units = [
  'level.cc',
  'tape.cc',
  'op-rules.cc',
  'executor.cc',
  'memory.cc',
  'packed-weights.cc',
  'thread-pool.cc',
  'wasm-pool.cc',
  'wasm-heap.cc',
  'wasm-library.cc',
  'wasm.cc',
];
const narrow = ['--target=wasm32-wasip1', '-Wl,--max-memory=4294967296'];
// The headers suit both, but for the likes of SIZE_MAX; the driver looks for them by the target's name. As much memory as
// engines allow.
const wide = [
  '--target=wasm64-wasip1',
  '-isystem',
  '/usr/include/c++/v1',
  '-isystem',
  '/usr/include/wasm32-wasip1',
  '-Wl,--max-memory=17179869184',
];
const variants = [
  { name: 'simd', flags: narrow },
  { name: 'relaxed-simd', flags: [...narrow, '-mrelaxed-simd'] },
  { name: 'simd-64', flags: wide },
  { name: 'relaxed-simd-64', flags: [...wide, '-mrelaxed-simd'] },
];

const text = generateHeader();
const names = readdirSync(kernels).filter((name) => /\.(cc|h)$/.test(name));
const sources = Object.fromEntries(names.map((name) => [name, readFileSync(join(kernels, name), 'utf8')]));

function clangVersion() {
  try {
    const entry = createRequire(import.meta.url).resolve('@yowasp/clang');
    return JSON.parse(readFileSync(join(entry, '../../package.json'), 'utf8')).version;
  } catch {
    return undefined;
  }
}

function keyOf(flags, version) {
  const hash = createHash('sha256');
  for (const part of [version, text, ...names, ...Object.values(sources), ...common, ...link, ...flags])
    hash.update(part).update('\0');
  return hash.digest('hex');
}

async function compile(flags) {
  const { runClang, runLLVM } = await import('@yowasp/clang');
  // Reads the compiler in; left to the first command, this writes its progress to stdout.
  await runLLVM(null, {}, { fetchProgress: () => {} });
  // Units are compiled together: the driver's start-up is the larger part of a small one.
  const args = ['clang++', ...common, ...flags, ...link, ...units, '-o', 'kernels.wasm'];
  const messages = [];
  const decoder = new TextDecoder();
  const print = (bytes) => bytes && messages.push(decoder.decode(bytes, { stream: true }));
  try {
    const files = await runClang(args, { ...sources, 'ops.gen.h': text }, { stdout: print, stderr: print });
    if (messages.length > 0) process.stderr.write(messages.join(''));
    return files['kernels.wasm'];
  } catch (error) {
    throw new Error(`the WebAssembly compiler failed: ${messages.join('') || error.message}`);
  }
}

const fallback = process.argv.includes('--fallback');
if (fallback && existsSync(join(root, 'build', 'release', 'steelyard_cpu.node'))) process.exit(0);
const version = clangVersion();
if (!version) {
  say('@yowasp/clang is not installed: no WebAssembly kernels. Run: npm install');
  process.exit(0);
}
/** In a process of its own: one compiler takes one core. */
function buildAlone(name) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), '--quiet', name], {
      stdio: 'inherit',
    });
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`no WebAssembly kernels '${name}'`)),
    );
  });
}

mkdirSync(out, { recursive: true });
const asked = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const due = variants.filter(({ name, flags }) => {
  const target = join(out, `${name}.wasm`);
  const stamp = `${target}.key`;
  const isNew =
    existsSync(target) && existsSync(stamp) && readFileSync(stamp, 'utf8') === keyOf(flags, version);
  return !isNew && (asked.length === 0 || asked.includes(name));
});
try {
  if (due.length > 1) {
    await inParallel(
      due.map(
        ({ name }) =>
          () =>
            buildAlone(name),
      ),
      availableParallelism(),
    );
  } else {
    for (const { name, flags } of due) {
      const target = join(out, `${name}.wasm`);
      writeFileSync(`${target}.new`, await compile(flags));
      renameSync(`${target}.new`, target);
      writeFileSync(`${target}.key`, keyOf(flags, version));
    }
  }
} catch (error) {
  // As a fallback it is not what was asked for: the reference backend still runs.
  console.error(error.message);
  process.exit(fallback ? 0 : 1);
}
say(
  due.length > 0 ? `WebAssembly kernels built with clang ${version}` : 'WebAssembly kernels are up to date',
);
