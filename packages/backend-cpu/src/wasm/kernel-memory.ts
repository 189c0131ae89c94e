/**
 * The memory of the kernels, which threads share: made here, since the module imports it. Its addresses have 32 bits, or
 * 64 where the module was compiled for that.
 */

import { CapacityError } from '@steelyard/core';

const PAGE_BYTES = 65536;
/** As the build links the module. */
const INITIAL_PAGES = 64;
/** What 32-bit addresses reach; less where the host has no such room for addresses. */
const MAXIMA = [65536, 32768, 16384, 8192];
/** The most that the build links a module of 64-bit addresses for: 16 GiB, as engines have it; less as above. */
const WIDE_MAXIMA = [262144, 196608, 131072, ...MAXIMA];

export interface KernelMemory {
  readonly memory: WebAssembly.Memory;
  /** The most that it may grow to. */
  readonly maximumBytes: number;
}

/** Whether addresses of the module have 64 bits, which it says by the name of an export. */
export function hasWideAddresses(module: WebAssembly.Module): boolean {
  return WebAssembly.Module.exports(module).some(({ name }) => name === 'wide');
}

/** Pages of a memory's description; TypeScript's libraries do not know the wide kind. */
function describe(wide: boolean, maximum: number): WebAssembly.MemoryDescriptor {
  if (!wide) return { initial: INITIAL_PAGES, maximum, shared: true };
  const pages = { initial: BigInt(INITIAL_PAGES), maximum: BigInt(maximum) };
  return { address: 'i64', ...pages, shared: true } as unknown as WebAssembly.MemoryDescriptor;
}

/**
 * Whether this host has memories of 64-bit addresses, as WebAssembly 3 has them: Node 24, Chromium 133. Earlier ones with
 * a flag lack tables of 64 bits, or end at 4 GiB anyway.
 */
export function hasWideMemory(): boolean {
  try {
    new WebAssembly.Memory(describe(true, INITIAL_PAGES));
    return true;
  } catch {
    return false;
  }
}

/** Whether a model of so many bytes of weights leaves too little of what 32 bits address to a cache and temporaries. */
export function needsWideMemory(weightBytes: number): boolean {
  return weightBytes > 3 * 2 ** 30;
}

/** @throws CapacityError when the host reserves not even 512 MiB */
export function createKernelMemory(module: WebAssembly.Module): KernelMemory {
  const wide = hasWideAddresses(module);
  let cause: unknown;
  for (const maximum of wide ? WIDE_MAXIMA : MAXIMA) {
    try {
      const memory = new WebAssembly.Memory(describe(wide, maximum));
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
