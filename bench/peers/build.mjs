/** Compiles the C++ programs of this folder into a cache folder, once per source. */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));

/** Where benchmarks keep what they build and generate; `STEELYARD_BENCH_CACHE` names another folder. */
export function cacheFolder() {
  const folder = process.env.STEELYARD_BENCH_CACHE ?? join(tmpdir(), 'steelyard-bench');
  mkdirSync(folder, { recursive: true });
  return folder;
}

function compile(source, flags) {
  const text = readFileSync(join(here, source));
  const key = createHash('sha256').update(text).update(flags.join(' ')).digest('hex').slice(0, 16);
  const target = join(cacheFolder(), `${source.replace(/\.cc$/, '')}-${key}`);
  if (existsSync(target)) return target;
  const compiler = process.env.CXX ?? 'c++';
  execFileSync(compiler, ['-O3', '-std=c++20', join(here, source), '-o', `${target}.new`, ...flags], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  renameSync(`${target}.new`, target);
  return target;
}

export function floorsProgram() {
  return compile('floors.cc', ['-march=native', '-pthread']);
}

/**
 * The program that runs llama.cpp, and the folder of its libraries; undefined when the peer is not installed.
 * Headers come from the source bundle inside node-llama-cpp, libraries from its prebuilt package for this platform.
 */
export function llamaCppProgram() {
  let root;
  try {
    root = join(dirname(createRequire(import.meta.url).resolve('node-llama-cpp')), '..');
  } catch {
    return undefined;
  }
  const platform = `${process.platform === 'darwin' ? 'mac' : process.platform}-${process.arch}`;
  const libraries = join(root, '..', '@node-llama-cpp', platform, 'bins', platform);
  if (!existsSync(libraries)) return undefined;
  // Headers of another version would not fit the libraries.
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const sources = join(cacheFolder(), `llama.cpp-${version}`);
  if (!existsSync(sources)) {
    const bundle = join(root, 'llama', 'gitRelease.bundle');
    execFileSync('git', ['clone', '-q', bundle, sources], { stdio: ['ignore', 'ignore', 'ignore'] });
  }
  const names = readdirSync(libraries).filter((name) =>
    /^lib(llama|ggml)(-base)?\.(v[\d.]+\.)?so$/.test(name),
  );
  const program = compile('llama-cpp.cc', [
    ...['include', 'ggml/include'].flatMap((folder) => ['-I', join(sources, folder)]),
    '-L',
    libraries,
    ...names.map((name) => `-l:${name}`),
    `-Wl,-rpath,${libraries}`,
  ]);
  return { program, libraries };
}
