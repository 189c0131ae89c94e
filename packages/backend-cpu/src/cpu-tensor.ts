/** Weights and states in native memory: mapped from their files where kernels can read them there, else copied. */

import { CapacityError, NotFoundError, ShapeError } from '@steelyard/core';
import {
  byteLength,
  dtypeInfo,
  elementCount,
  type DeviceTensor,
  type DType,
  type TensorData,
} from '@steelyard/graph';
import type { Addon, NativeMemory } from './addon.ts';

export class CpuTensor implements DeviceTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly residentBytes: number;
  readonly byteLength: number;
  readonly memory: NativeMemory;
  /** First byte within `memory`. */
  readonly offset: number;
  readonly #addon: Addon;
  readonly #release: () => void;
  readonly #isState: boolean;

  constructor(
    addon: Addon,
    type: { dtype: DType; shape: readonly number[] },
    place: {
      memory: NativeMemory;
      offset: number;
      resident: boolean;
      isState: boolean;
      release: () => void;
    },
  ) {
    this.dtype = type.dtype;
    this.shape = type.shape;
    this.byteLength = byteLength(type.dtype, elementCount(type.shape));
    this.residentBytes = place.resident ? this.byteLength : 0;
    this.memory = place.memory;
    this.offset = place.offset;
    this.#addon = addon;
    this.#release = place.release;
    this.#isState = place.isState;
  }

  read(): Promise<Uint8Array> {
    const bytes = new Uint8Array(this.byteLength);
    this.#addon.read(this.memory, this.offset, bytes);
    return Promise.resolve(bytes);
  }

  write(bytes: Uint8Array, offset = 0): Promise<void> {
    if (!this.#isState) throw new ShapeError('a weight cannot be written');
    if (offset < 0 || offset + bytes.length > this.byteLength) {
      throw new ShapeError(
        `bytes ${offset} to ${offset + bytes.length} lie outside a state of ${this.byteLength}`,
      );
    }
    this.#addon.write(this.memory, this.offset + offset, bytes);
    return Promise.resolve();
  }

  dispose(): void {
    this.#release();
  }
}

/** Files mapped by this backend, shared by the tensors in them. */
export class FileMaps {
  readonly #addon: Addon;
  readonly #maps = new Map<string, { memory: NativeMemory; users: number }>();

  constructor(addon: Addon) {
    this.#addon = addon;
  }

  take(path: string): { memory: NativeMemory; release: () => void } {
    const map = this.#maps.get(path) ?? { memory: this.#map(path), users: 0 };
    this.#maps.set(path, map);
    map.users++;
    let held = true;
    const release = (): void => {
      if (!held) return;
      held = false;
      if (--map.users > 0) return;
      this.#maps.delete(path);
      this.#addon.release(map.memory);
    };
    return { memory: map.memory, release };
  }

  #map(path: string): NativeMemory {
    try {
      return this.#addon.mapFile(path);
    } catch (error) {
      throw new NotFoundError(`cannot map a weight file: ${(error as Error).message}`, { cause: error });
    }
  }
}

/** Kernels read plain elements in place; blocks of quantised formats are read byte by byte. */
function isAligned({ dtype, region }: TensorData): boolean {
  const { blockSize, blockBytes } = dtypeInfo(dtype);
  return blockSize > 1 || (region?.offset ?? 0) % blockBytes === 0;
}

/** A weight in memory of its own. */
export function copyWeight(addon: Addon, data: TensorData): CpuTensor {
  const memory = addon.allocate(data.byteLength);
  addon.write(memory, 0, data.bytes());
  const release = (): void => addon.release(memory);
  return new CpuTensor(addon, data, { memory, offset: 0, resident: true, isState: false, release });
}

/** A weight where its file is mapped, when it may be read there. */
export function loadWeight(addon: Addon, maps: FileMaps, data: TensorData): CpuTensor {
  if (!data.region || !isAligned(data)) return copyWeight(addon, data);
  const { memory, release } = maps.take(data.region.path);
  return new CpuTensor(addon, data, {
    memory,
    offset: data.region.offset,
    resident: false,
    isState: false,
    release,
  });
}

/** @throws CapacityError when it does not fit in memory */
export function allocateState(addon: Addon, dtype: DType, shape: readonly number[]): CpuTensor {
  const bytes = byteLength(dtype, elementCount(shape));
  try {
    const memory = addon.allocate(bytes);
    const release = (): void => addon.release(memory);
    return new CpuTensor(
      addon,
      { dtype, shape },
      { memory, offset: 0, resident: true, isState: true, release },
    );
  } catch (error) {
    throw new CapacityError(
      `a state of [${shape.join(', ')}] ${dtype}, ${bytes} bytes, does not fit in memory; lower the context or the budget`,
      { cause: error },
    );
  }
}
