/** The native addon: found, loaded once, typed. */

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

declare const memory: unique symbol;
declare const compiled: unique symbol;
/** Bytes outside the heap: a mapped file, or allocated. */
export interface NativeMemory {
  readonly [memory]: true;
}
export interface NativeExecutable {
  readonly [compiled]: true;
}

/** Where a tensor lies: handle, byte offset, bytes; several times for a weight whose rows are pieces of their own. */
export type Pieces = readonly (NativeMemory | number)[];

export interface Addon {
  mapFile(path: string): NativeMemory;
  allocate(bytes: number): NativeMemory;
  /** The memory goes when no executable needs it either. */
  release(handle: NativeMemory): void;
  /** Also of its arena, of which no view may be read from then on. */
  releaseExecutable(executable: NativeExecutable, arena: ArrayBuffer): void;
  read(handle: NativeMemory, offset: number, to: Uint8Array): void;
  write(handle: NativeMemory, offset: number, from: Uint8Array): void;
  /** The level used for a name (`''` for the best), undefined when the processor lacks it. */
  level(name: string): string | undefined;
  /** Instruction sets that the processor has, separated by spaces. */
  features(): string;
  /** What the processor has and the operating system does not let this process use, with the reason; or empty. */
  refused(): string;
  compile(
    tape: Int32Array,
    weights: readonly Pieces[],
    states: readonly Pieces[],
    limits: Int32Array,
    threads: number,
    integerActivations: boolean,
    level: string,
    /** Fill temporaries with NaN before each run, for tests. */
    poison: boolean,
    expertsOnDisk: boolean,
  ): Promise<NativeExecutable>;
  /** Repacks weights, off the event loop; else the second run does. */
  repack(executable: NativeExecutable): Promise<void>;
  temporaryBytes(executable: NativeExecutable): number;
  /** Where temporaries and results lie, in place. */
  arena(executable: NativeExecutable): ArrayBuffer;
  run(
    executable: NativeExecutable,
    dims: Int32Array,
    inputs: readonly (Int32Array | Float32Array)[],
  ): Promise<void>;
  /** As of `RowKernels`, by the kernels of a level. */
  argmax(level: string, row: Float32Array): number;
  weigh(
    level: string,
    row: Float32Array,
    top: number,
    scale: number,
    weights: Float64Array,
    sums: Float64Array,
  ): number;
  atLeast(level: string, row: Float32Array, floor: number, ids: Uint32Array): number;
}

/** Every function of the addon, so that a build of another version is told from ours before anything is missed. */
const FUNCTIONS: Readonly<Record<keyof Addon, true>> = {
  mapFile: true,
  allocate: true,
  release: true,
  releaseExecutable: true,
  read: true,
  write: true,
  level: true,
  features: true,
  refused: true,
  compile: true,
  repack: true,
  temporaryBytes: true,
  arena: true,
  run: true,
  argmax: true,
  weigh: true,
  atLeast: true,
};

export type Loaded = { readonly addon: Addon } | { readonly reason: string };

let loaded: Loaded | undefined;

/** Loads the addon on first use. `STEELYARD_NATIVE` names another build of it, such as one with sanitizers. */
export function loadAddon(): Loaded {
  loaded ??= load();
  return loaded;
}

function load(): Loaded {
  const built = fileURLToPath(new URL('../build/release/steelyard_cpu.node', import.meta.url));
  const path = process.env['STEELYARD_NATIVE'] ?? built;
  if (!existsSync(path))
    return { reason: 'the native kernels are not built; install g++ or clang++ and run: npm run build' };
  try {
    return complete(createRequire(import.meta.url)(path));
  } catch (error) {
    return { reason: `the native kernels do not load: ${(error as Error).message}; run: npm run build` };
  }
}

/** The addon as loaded, or why it is none of this version. */
export function complete(loaded: unknown): Loaded {
  const functions = (loaded ?? {}) as Readonly<Record<string, unknown>>;
  const missing = Object.keys(FUNCTIONS).filter((name) => typeof functions[name] !== 'function');
  if (missing.length === 0) return { addon: loaded as Addon };
  return {
    reason: `the native kernels are of another version (without ${missing.join(', ')}); run: npm run build`,
  };
}
