/** The heap of the WebAssembly module: blocks keep apart, are clear and aligned, and what is given back is used again. */

import { loadWasmModule, wasmVariants } from '@steelyard/backend-cpu';
import { createKernelMemory, WasmKernels } from '@steelyard/backend-cpu/wasm';
import { Random } from '@steelyard/graph';
import { describe, expect, it } from 'vitest';

// Where a module is not built or cannot run, its tests are skipped, not missing: a file without tests is a failure.
for (const variant of wasmVariants) {
  const loaded = loadWasmModule(variant);
  describe.skipIf('reason' in loaded)(variant, () => testsOf(loaded));
}

function testsOf(loaded: ReturnType<typeof loadWasmModule>): void {
  const kernelsOf = () => {
    if ('reason' in loaded) throw new Error(loaded.reason);
    const shared = createKernelMemory(loaded.module);
    return { ...shared, kernels: new WasmKernels(loaded.module, shared.memory) };
  };

  it('keeps blocks apart through allocations and frees in any order', () => {
    const { memory, kernels } = kernelsOf();
    const random = new Random(11);
    const below = (n: number): number => Math.floor(random.next() * n);
    const held: { address: number; bytes: number; mark: number }[] = [];
    const check = ({ address, bytes, mark }: (typeof held)[number]): void =>
      expect(kernels.view({ address, bytes }).every((byte) => byte === mark)).toBe(true);
    for (let i = 0; i < 2000; i++) {
      if (held.length > 40 || (held.length > 0 && random.next() < 0.4)) {
        const [block] = held.splice(below(held.length), 1);
        if (!block) continue;
        check(block);
        kernels.free(block.address);
        continue;
      }
      const bytes = 1 + below(random.next() < 0.1 ? 300_000 : 500);
      const address = kernels.allocate(bytes);
      if (address === undefined) throw new Error(`no room for ${bytes} bytes`);
      expect(address % 64).toBe(0);
      const block = { address, bytes, mark: 0 };
      check(block);
      const mark = 1 + (i % 255);
      kernels.view(block).fill(mark);
      held.push({ ...block, mark });
    }
    for (const block of held) {
      check(block);
      kernels.free(block.address);
    }
    // All of it is one block again.
    const before = memory.buffer.byteLength;
    expect(kernels.allocate(before - (3 << 20))).toBeDefined();
    expect(memory.buffer.byteLength).toBe(before);
  });

  it('says when there is no room, and goes on', () => {
    const { kernels, maximumBytes } = kernelsOf();
    expect(kernels.allocate(maximumBytes - 1)).toBeUndefined();
    expect(kernels.allocate(1000)).toBeDefined();
  });
}
