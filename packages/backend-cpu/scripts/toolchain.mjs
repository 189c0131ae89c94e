/** Compiling C++: finding a compiler, running it, and leaving out what is unchanged. */

import { createHash } from 'node:crypto';
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generateHeader } from './generate-header.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
export const kernels = join(root, 'kernels');

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
