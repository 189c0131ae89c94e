/**
 * Compiles the native kernels with the system's C++ compiler, only what changed. Without a compiler it says so
 * and succeeds: the WebAssembly build runs then.
 *
 *   node scripts/build.mjs [--quiet] [--asan]
 */

import { createHash } from 'node:crypto';
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generateHeader } from './generate-header.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const kernels = join(root, 'kernels');
const asan = process.argv.includes('--asan');
const quiet = process.argv.includes('--quiet');
const out = join(root, 'build', asan ? 'asan' : 'release');
const target = join(out, 'steelyard_cpu.node');

const say = (text) => quiet || console.error(text);

function findCompiler() {
  for (const name of [process.env.CXX, 'c++', 'g++', 'clang++'].filter(Boolean)) {
    try {
      const [command, ...first] = name.split(' ');
      const version = execFileSync(command, [...first, '--version'], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      return { command, first, version };
    } catch {
      // Not this one.
    }
  }
  return undefined;
}

const common = [
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
  '-Wno-unknown-warning-option',
  ...(asan
    ? ['-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=undefined']
    : ['-O3', '-DNDEBUG']),
];

const x64 = process.arch === 'x64';
/** Object files: name, source, flags. */
const units = [
  { name: 'scalar', source: 'level.cc', flags: [] },
  ...(x64
    ? [
        { name: 'avx2', source: 'level.cc', flags: ['-mavx2', '-mfma', '-mf16c'] },
        {
          name: 'avx512',
          source: 'level.cc',
          flags: [
            '-mavx2',
            '-mfma',
            '-mf16c',
            '-mavx512f',
            '-mavx512bw',
            '-mavx512vl',
            '-mavx512dq',
            '-mavx512vnni',
            '-mprefer-vector-width=512',
          ],
        },
      ]
    : []),
  { name: 'tape', source: 'tape.cc', flags: [] },
  { name: 'op-rules', source: 'op-rules.cc', flags: [] },
  { name: 'executor', source: 'executor.cc', flags: [] },
  { name: 'memory', source: 'memory.cc', flags: [] },
  { name: 'packed-weights', source: 'packed-weights.cc', flags: [] },
  { name: 'thread-pool', source: 'thread-pool.cc', flags: [] },
  { name: 'platform', source: 'platform.cc', flags: [] },
  { name: 'napi', source: 'napi.cc', flags: [] },
];

function run({ command, first }, args) {
  return new Promise((resolve, reject) => {
    execFile(command, [...first, ...args], { maxBuffer: 1 << 26 }, (error, _stdout, stderr) => {
      if (stderr) process.stderr.write(stderr);
      if (error) reject(new Error(`the compiler failed: ${command} ${args.join(' ')}`));
      else resolve();
    });
  });
}

function digest(parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
}

/** Runs `make` when the inputs are not those of the last time. */
async function remake(file, key, make) {
  const stamp = `${file}.key`;
  if (existsSync(file) && existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return false;
  await make();
  writeFileSync(stamp, key);
  return true;
}

async function inParallel(jobs, limit) {
  const queue = [...jobs];
  await Promise.all(
    Array.from({ length: limit }, async () => {
      for (let job = queue.shift(); job; job = queue.shift()) await job();
    }),
  );
}

const compiler = findCompiler();
if (process.platform === 'win32' || !compiler) {
  say(
    'no C++ compiler found: the slower WebAssembly kernels will be used. Install g++ or clang++ and run: npm run build',
  );
  process.exit(0);
}
mkdirSync(out, { recursive: true });
const header = join(out, 'ops.gen.h');
const text = generateHeader();
if (!existsSync(header) || readFileSync(header, 'utf8') !== text) writeFileSync(header, text);

const headers = createRequire(import.meta.url)('node-api-headers').include_dir;
const sources = readdirSync(kernels).map((name) => readFileSync(join(kernels, name)));
const base = [compiler.version, text, ...sources];
const object = (name) => join(out, `${name}.o`);
let built = 0;
try {
  await inParallel(
    units.map(({ name, source, flags }) => async () => {
      const args = [
        ...common,
        ...flags,
        '-I',
        out,
        '-I',
        headers,
        '-c',
        join(kernels, source),
        '-o',
        object(name),
      ];
      // Any kernel file may include any other; a change rebuilds all, which takes seconds.
      built += await remake(object(name), digest([...base, ...args]), () => run(compiler, args));
    }),
    availableParallelism(),
  );
  const link = [
    '-shared',
    ...(process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : ['-pthread']),
    ...(asan ? ['-fsanitize=address,undefined'] : []),
    ...units.map(({ name }) => object(name)),
  ];
  const key = digest([...base, ...link, ...common, ...units.flatMap(({ flags }) => flags)]);
  // Written aside and renamed: a running process keeps the file that it has open.
  await remake(target, key, async () => {
    await run(compiler, [...link, '-o', `${target}.new`]);
    renameSync(`${target}.new`, target);
  });
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
say(built ? `native kernels built with ${compiler.version.split('\n')[0]}` : 'native kernels are up to date');
