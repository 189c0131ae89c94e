/** Checks of the machine: system, Node, processor, compiler, memory. */

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, freemem, release, totalmem, type } from 'node:os';
import type { Environment } from '../context.ts';
import type { CpuReport } from '../services.ts';
import { formatBytes, plural } from '../terminal/format.ts';
import { fail, ok, warn, type Check } from './check.ts';

const MIN_NODE: readonly [number, number] = [20, 19];
/** Less free memory than this runs only the smallest models. */
const LOW_MEMORY = 1e9;

export function checkPlatform(): Check {
  return ok('platform', `${type()} ${release()}, ${process.arch}`);
}

export function checkNode(version: string = process.versions.node): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const recent = major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1]);
  return recent
    ? ok('node', `${version}`)
    : fail(
        'node',
        `${version}, older than ${MIN_NODE.join('.')}`,
        `install Node ${MIN_NODE.join('.')} or newer`,
      );
}

/** Instruction sets that kernels may use, as /proc/cpuinfo spells them. */
const FEATURES =
  /^(avx|avx2|fma|f16c|avx_vnni|avx512f|avx512bw|avx512_vnni|avx512_bf16|amx_\w+|asimd\w*|sve2?|i8mm|bf16)$/;

/** Vector instructions of this processor; undefined where the system does not list them. */
export function processorFeatures(): string[] | undefined {
  try {
    const line = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1];
    return line?.split(/\s+/).filter((name) => FEATURES.test(name));
  } catch {
    return undefined;
  }
}

export function checkBackend(report: CpuReport, compiler: string | undefined, env: Environment): Check {
  if (report.available) {
    const why = env['STEELYARD_CPU'] ? 'as STEELYARD_CPU asks' : 'the best that it has for this processor';
    const found = `native, ${report.level ?? ''} kernels (${why}), ${plural(report.threads, 'thread')}`;
    // Not a fault: everything runs, only prompts more slowly.
    return ok('backend', report.refused === undefined ? found : `${found}; not used: ${report.refused}`);
  }
  const native = bareReason(report);
  const advice =
    compiler === undefined ? 'install a C++20 compiler (clang or gcc), then: npm run build' : 'npm run build';
  const { wasm } = report;
  if (wasm?.available) {
    const build = wasm.variant ?? 'one build';
    return warn(
      'backend',
      `WebAssembly (${build}), ${plural(wasm.threads ?? 1, 'thread')}: slower than native; native: ${native}`,
      advice,
    );
  }
  const missing = wasm ? `${native}; WebAssembly: ${bareReason(wasm)}` : native;
  return warn('backend', `reference, in plain TypeScript: right, but slow; native: ${missing}`, advice);
}

/** Without what to do about it, which is said apart. */
function bareReason({ reason = 'no reason given' }: { readonly reason?: string }): string {
  return reason.replace(/; (install|run|update).*$/, '');
}

/** Only a fallback: not having it is no fault where the native kernels run. */
export function checkWasm({ available, wasm }: CpuReport): Check {
  if (wasm?.available) {
    const use = available ? 'kept for where native kernels are missing' : 'in use';
    return ok('wasm', `${wasm.variant ?? 'one build'} kernels, ${use}`);
  }
  const reason = bareReason(wasm ?? {});
  return available
    ? ok('wasm', `${reason}, and not needed: the native backend is used`)
    : warn('wasm', reason, 'npm run build -- --all');
}

/** The compiler matters only where the native backend is built from a clone. */
export function checkCompiler(compiler: string | undefined, report: CpuReport): Check {
  if (compiler !== undefined) return ok('compiler', compiler);
  return report.available
    ? ok('compiler', 'none, and none is needed: the native backend is built')
    : warn('compiler', 'none found (c++, clang++, g++, $CXX)', 'install clang or gcc, then: npm run build');
}

export function checkProcessor(): Check {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const [usable, all] = [availableParallelism(), cpus().length];
  const threads = `${plural(usable, 'thread')}${usable < all ? ` of ${all} usable here` : ''}`;
  const features = processorFeatures();
  const vectors = features && (features.join(' ') || 'no vector instructions');
  return ok('processor', [model, threads, ...(vectors ? [vectors] : [])].join('; '));
}

export function checkMemory(): Check {
  // 0, or more than the machine has, means that no limit of a container applies.
  const limit = process.constrainedMemory?.() ?? 0;
  const total = limit > 0 && limit < totalmem() ? limit : totalmem();
  const free = Math.min(process.availableMemory?.() ?? freemem(), total);
  const found = `${formatBytes(free)} free of ${formatBytes(total)}`;
  return free >= LOW_MEMORY
    ? ok('memory', found)
    : warn('memory', found, 'close other programs, or give --memory and --context to use less');
}

/** First line of the first C++ compiler's `--version`. */
export async function findCompiler(env: Environment): Promise<string | undefined> {
  for (const name of [env['CXX'], 'c++', 'clang++', 'g++']) {
    const result = name ? await runProgram(name, ['--version'], 10_000) : undefined;
    if (result?.code === 0) return result.output.split('\n')[0]?.trim();
  }
  return undefined;
}

export interface ProgramResult {
  readonly code: number;
  /** stdout and stderr together. */
  readonly output: string;
}

/** Runs a program without a shell; undefined when it cannot be started. Ended after `timeoutMs`. */
export function runProgram(
  command: string,
  args: readonly string[],
  timeoutMs: number,
): Promise<ProgramResult | undefined> {
  return new Promise((resolve) => {
    // npm is a script on Windows, which only a shell starts; arguments are ours.
    const shell = process.platform === 'win32' && command === 'npm';
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs, shell });
    let output = '';
    const add = (chunk: Buffer): void => void (output = (output + chunk.toString('utf8')).slice(0, 4096));
    child.stdout.on('data', add);
    child.stderr.on('data', add);
    child.on('error', () => resolve(undefined));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}
