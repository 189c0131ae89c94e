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
  releaseExecutable(executable: NativeExecutable): void;
  read(handle: NativeMemory, offset: number, to: Uint8Array): void;
  write(handle: NativeMemory, offset: number, from: Uint8Array): void;
  /** The level used for a name (`''` for the best), undefined when the processor lacks it. */
  level(name: string): string | undefined;
  /** Instruction sets that the processor has, separated by spaces. */
  features(): string;
  /** What the processor has and the operating system does not let this process use, with the reason; or empty. */
  refused(): string;
  /** Repacks weights, off the event loop. */
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
  ): Promise<NativeExecutable>;
  temporaryBytes(executable: NativeExecutable): number;
  readArena(executable: NativeExecutable, offset: number, to: Float32Array): void;
  run(
    executable: NativeExecutable,
    dims: Int32Array,
    inputs: readonly (Int32Array | Float32Array)[],
  ): Promise<void>;
}

type Loaded = { readonly addon: Addon } | { readonly reason: string };

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
    return { addon: createRequire(import.meta.url)(path) as Addon };
  } catch (error) {
    return { reason: `the native kernels do not load: ${(error as Error).message}; run: npm run build` };
  }
}
