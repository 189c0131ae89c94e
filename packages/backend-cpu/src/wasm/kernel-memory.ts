/** The memory of the kernels, which threads share: made here, since the module imports it. */

import { CapacityError } from '@steelyard/core';

const PAGE_BYTES = 65536;
/** As the build links the module. */
const INITIAL_PAGES = 64;
/** What 32-bit addresses reach; less where the host has no such room for addresses. */
const MAXIMA = [65536, 32768, 16384, 8192];

export interface KernelMemory {
  readonly memory: WebAssembly.Memory;
  /** The most that it may grow to. */
  readonly maximumBytes: number;
}

/** @throws CapacityError when the host reserves not even 512 MiB */
export function createKernelMemory(): KernelMemory {
  let cause: unknown;
  for (const maximum of MAXIMA) {
    try {
      const memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum, shared: true });
      return { memory, maximumBytes: maximum * PAGE_BYTES };
    } catch (error) {
      cause = error;
    }
  }
  throw new CapacityError(
    `this host reserves no shared WebAssembly memory of ${(MAXIMA.at(-1) ?? 0) * PAGE_BYTES} bytes; close other pages or programs`,
    { cause },
  );
}
