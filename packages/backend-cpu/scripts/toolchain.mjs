/** Compiling C++: finding a compiler, running it, and leaving out what is unchanged. */

import { createHash } from 'node:crypto';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generateHeader } from './generate-header.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
export const kernels = join(root, 'kernels');

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** The first of these commands that runs; undefined when none does. */
export function findCompiler(names) {
  for (const name of names.filter(Boolean)) {
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

/** Compilers that run now. */
const running = new Set();

/** A compiler is several programs: as a group of their own they can be ended together, when this process is. */
function run({ command, first }, args) {
  return new Promise((resolve, reject) => {
    if (running.size === 0) for (const signal of SIGNALS) process.on(signal, endAll);
    const detached = process.platform !== 'win32';
    const child = spawn(command, [...first, ...args], { detached, stdio: ['ignore', 'ignore', 'pipe'] });
    running.add(child);
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text) => (said += text));
    child.on('error', () => ended(1));
    child.on('close', (code) => ended(code));
    const ended = (code) => {
      if (!running.delete(child)) return;
      if (running.size === 0) for (const signal of SIGNALS) process.off(signal, endAll);
      if (said) process.stderr.write(said);
      if (code === 0) resolve();
      else reject(new Error(`the compiler failed: ${command} ${args.join(' ')}`));
    };
  });
}

function endAll(signal) {
  for (const child of running) {
    try {
      process.kill(process.platform === 'win32' ? child.pid : -child.pid, 'SIGTERM');
    } catch {
      // It has just ended.
    }
  }
  for (const one of SIGNALS) process.off(one, endAll);
  process.kill(process.pid, signal);
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

/** Runs jobs, functions that return promises, so many at a time. */
export async function inParallel(jobs, limit) {
  const queue = [...jobs];
  await Promise.all(
    Array.from({ length: limit }, async () => {
      for (let job = queue.shift(); job; job = queue.shift()) await job();
    }),
  );
}

/**
 * Compiles units (name, source file, flags) and links them to `target`; returns whether anything was done.
 * @throws Error when the compiler fails; it has said why
 */
export async function makeProgram({ compiler, out, target, units, flags, include = [], link }) {
  mkdirSync(out, { recursive: true });
  const header = join(out, 'ops.gen.h');
  const text = generateHeader();
  if (!existsSync(header) || readFileSync(header, 'utf8') !== text) writeFileSync(header, text);
  // Any kernel file may include any other; a change rebuilds all, which takes seconds.
  const sources = readdirSync(kernels).map((name) => readFileSync(join(kernels, name)));
  const base = [compiler.version, text, ...sources];
  const object = (name) => join(out, `${name}.o`);
  const includes = [out, kernels, ...include].flatMap((path) => ['-I', path]);
  let built = false;
  await inParallel(
    units.map((unit) => async () => {
      const args = [...flags, ...unit.flags, ...includes, '-c', unit.source, '-o', object(unit.name)];
      const key = digest([...base, readFileSync(unit.source), ...args]);
      if (await remake(object(unit.name), key, () => run(compiler, args))) built = true;
    }),
    availableParallelism(),
  );
  const args = [...link, ...units.map(({ name }) => object(name))];
  const keys = units.map(({ name }) => readFileSync(`${object(name)}.key`));
  // Written aside and renamed: a running process keeps the file that it has open.
  const linked = await remake(target, digest([...keys, ...args]), async () => {
    await run(compiler, [...args, '-o', `${target}.new`]);
    renameSync(`${target}.new`, target);
  });
  return built || linked;
}
