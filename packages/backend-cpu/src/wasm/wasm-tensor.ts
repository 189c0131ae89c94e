/** Weights and states in WebAssembly memory, and the account of it: what does not fit is refused before it is asked for. */

import { CapacityError, ShapeError } from '@steelyard/core';
import {
  byteLength,
  dtypeInfo,
  elementCount,
  type DeviceTensor,
  type DType,
  type TensorData,
} from '@steelyard/graph';
import type { MatrixType } from './kernels.ts';
import type { WasmRunner } from './runner.ts';

/** Addresses have 32 bits. */
const ADDRESSABLE_BYTES = 4 * 2 ** 30;
/** Code's data, stack, and the heap's own needs. */
const RESERVED_BYTES = 16 << 20;

/** Memory of one runner: numbers for its pieces, and how much is taken. */
export class WasmMemory {
  readonly runner: WasmRunner;
  #next = 1;
  #taken = 0;

  constructor(runner: WasmRunner) {
    this.runner = runner;
  }

  /** A number for a memory or an executable. */
  number(): number {
    return this.#next++;
  }

  /** @throws CapacityError with numbers */
  take(bytes: number, what: string): void {
    const most = this.runner.memoryBytes ?? ADDRESSABLE_BYTES;
    const free = most - RESERVED_BYTES - this.#taken;
    if (bytes > free) {
      throw new CapacityError(
        `${what} needs ${bytes} bytes and WebAssembly has ${free} left of its ${most}; ` +
          'use a smaller or more quantised model, a shorter context, or the native backend',
      );
    }
    this.#taken += bytes;
  }

  give(bytes: number): void {
    this.#taken -= bytes;
  }
}

export class WasmTensor implements DeviceTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly byteLength: number;
  readonly id: number;
  /** Settles when the contents are in place. */
  readonly ready: Promise<void>;
  readonly #memory: WasmMemory;
  readonly #isState: boolean;
  #disposed = false;

  /** `fill` is called after the allocation's command was given. */
  constructor(
    memory: WasmMemory,
    type: { readonly dtype: DType; readonly shape: readonly number[] },
    what: string,
    fill?: (id: number) => Promise<unknown>,
  ) {
    this.dtype = type.dtype;
    this.shape = type.shape;
    this.byteLength = byteLength(type.dtype, elementCount(type.shape));
    memory.take(this.byteLength, `${what} of [${type.shape.join(', ')}] ${type.dtype}`);
    this.#memory = memory;
    this.#isState = fill === undefined;
    this.id = memory.number();
    const matrix = fill && matrixOf(type);
    const allocated = memory.runner.call({
      do: 'allocate',
      id: this.id,
      bytes: this.byteLength,
      ...(matrix && { matrix }),
    });
    this.ready = Promise.all([allocated, fill?.(this.id)]).then(() => undefined);
    // Heard by who awaits `ready`; loading goes on meanwhile.
    this.ready.catch(() => undefined);
  }

  get residentBytes(): number {
    return this.byteLength;
  }

  async read(): Promise<Uint8Array> {
    await this.ready;
    return (await this.#memory.runner.call({
      do: 'read',
      id: this.id,
      bytes: this.byteLength,
    })) as Uint8Array;
  }

  async write(bytes: Uint8Array, offset = 0): Promise<void> {
    if (!this.#isState) throw new ShapeError('a weight cannot be written');
    if (offset < 0 || offset + bytes.length > this.byteLength) {
      throw new ShapeError(
        `bytes ${offset} to ${offset + bytes.length} lie outside a state of ${this.byteLength}`,
      );
    }
    await this.ready;
    await this.#memory.runner.call({ do: 'write', id: this.id, offset, bytes });
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#memory.give(this.byteLength);
    // A runner that has ended has freed everything.
    this.#memory.runner.call({ do: 'free', id: this.id }).catch(() => undefined);
  }
}

/** A matrix; of stacked experts one each, whose rows may have dims in between. */
function matrixOf({ dtype, shape }: Pick<TensorData, 'dtype' | 'shape'>): MatrixType | undefined {
  const columns = shape.at(-1);
  if (shape.length < 2 || columns === undefined) return undefined;
  const matrices = shape.length === 2 ? 1 : (shape[0] as number);
  return { dtype: dtypeInfo(dtype).code, matrices, rows: elementCount(shape) / matrices / columns, columns };
}

/** Copied into WebAssembly memory, from its file by the runner where that reads files. */
export function loadWeight(memory: WasmMemory, data: TensorData): WasmTensor {
  const { runner } = memory;
  return new WasmTensor(memory, data, 'a weight', (id) => {
    let offset = 0;
    const loads = (data.parts ?? [data]).map((part) => {
      const at = offset;
      offset += part.byteLength;
      return part.region && runner.readsFiles
        ? runner.call({ do: 'load', id, offset: at, region: part.region })
        : runner.call({ do: 'write', id, offset: at, bytes: part.bytes() });
    });
    return Promise.all(loads);
  });
}

export function allocateState(memory: WasmMemory, dtype: DType, shape: readonly number[]): WasmTensor {
  return new WasmTensor(memory, { dtype, shape }, 'a state');
}
