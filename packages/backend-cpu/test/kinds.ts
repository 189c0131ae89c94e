/** What this package can run graphs on here: each native level, each WebAssembly build. */

import {
  createCpuBackend,
  createNodeWasmRunner,
  loadWasmModule,
  wasmVariants,
  type CpuOptions,
} from '@steelyard/backend-cpu';
import { createWasmBackend } from '@steelyard/backend-cpu/wasm';
import type { Backend } from '@steelyard/graph';
import { levels } from './levels.ts';

export interface Kind {
  readonly name: string;
  /** Thread counts above one that it takes. */
  readonly threads: readonly number[];
  readonly create: (options: Omit<CpuOptions, 'level'>) => Backend;
}

/** Empty where neither is built. */
export const kinds: readonly Kind[] = [
  ...levels.map((level) => ({
    name: level,
    threads: [2, 3],
    create: (options: Omit<CpuOptions, 'level'>) => createCpuBackend({ ...options, level }),
  })),
  ...wasmVariants.flatMap((variant) => {
    const loaded = loadWasmModule(variant);
    if ('reason' in loaded) return [];
    const { module } = loaded;
    return [
      {
        name: `wasm ${variant}`,
        threads: [2, 3],
        create: ({ threads = 1, ...options }: Omit<CpuOptions, 'level'>) =>
          createWasmBackend(
            threads === 1
              ? { ...options, module }
              : { ...options, runner: createNodeWasmRunner(threads, variant) },
          ),
      },
    ];
  }),
];
