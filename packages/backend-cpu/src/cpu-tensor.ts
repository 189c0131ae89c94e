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

/** A range of memory, and what to do when it is no longer needed. */
export interface Piece {
  readonly memory: NativeMemory;
  /** First byte within `memory`. */
  readonly offset: number;
  readonly bytes: number;
  /** Copied rather than mapped. */
  readonly resident: boolean;
  readonly release: () => void;
}

export class CpuTensor implements DeviceTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly byteLength: number;
  /** One; of a weight published in parts, one for each row (dim 0). */
  readonly pieces: readonly Piece[];
  readonly #addon: Addon;
  readonly #isState: boolean;

  constructor(
    addon: Addon,
    type: { readonly dtype: DType; readonly shape: readonly number[] },
    pieces: readonly Piece[],
    isState = false,
  ) {
    this.dtype = type.dtype;
    this.shape = type.shape;
    this.byteLength = byteLength(type.dtype, elementCount(type.shape));
    this.pieces = pieces;
    this.#addon = addon;
    this.#isState = isState;
  }

  get residentBytes(): number {
    return this.pieces.reduce((sum, { resident, bytes }) => sum + (resident ? bytes : 0), 0);
  }

  read(): Promise<Uint8Array> {
    const all = new Uint8Array(this.byteLength);
    let at = 0;
    for (const { memory, offset, bytes } of this.pieces) {
      this.#addon.read(memory, offset, all.subarray(at, at + bytes));
      at += bytes;
    }
    return Promise.resolve(all);
  }

  write(bytes: Uint8Array, offset = 0): Promise<void> {
    const [piece] = this.pieces;
    if (!this.#isState || !piece) throw new ShapeError('a weight cannot be written');
    if (offset < 0 || offset + bytes.length > this.byteLength) {
      throw new ShapeError(
        `bytes ${offset} to ${offset + bytes.length} lie outside a state of ${this.byteLength}`,
      );
    }
    this.#addon.write(piece.memory, piece.offset + offset, bytes);
    return Promise.resolve();
  }

  dispose(): void {
    for (const { release } of this.pieces) release();
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

/**
 * Norms and biases are copied. They lie between large weights that are repacked and let go, and reading one would keep
 * the page around it, which in a mapped file can be two megabytes.
 */
function isVector({ shape }: TensorData): boolean {
  return shape.length === 1;
}

/** Kernels read plain elements in place; blocks of quantised formats are read byte by byte. */
function isAligned({ dtype, region }: TensorData): boolean {
  const { blockSize, blockBytes } = dtypeInfo(dtype);
  return blockSize > 1 || (region?.offset ?? 0) % blockBytes === 0;
}

function copyPiece(addon: Addon, data: TensorData): Piece {
  const bytes = data.byteLength;
  const memory = addon.allocate(bytes);
  addon.write(memory, 0, data.bytes());
  return { memory, offset: 0, bytes, resident: true, release: () => addon.release(memory) };
}

/** A weight in memory of its own. */
export function copyWeight(addon: Addon, data: TensorData): CpuTensor {
  return new CpuTensor(addon, data, [copyPiece(addon, data)]);
}

/** A weight where its file is mapped, when it may be read there; part by part where it has parts. */
export function loadWeight(addon: Addon, maps: FileMaps, data: TensorData): CpuTensor {
  const pieces = (data.parts ?? [data]).map((part) => {
    if (!part.region || !isAligned(part) || isVector(part)) return copyPiece(addon, part);
    const { memory, release } = maps.take(part.region.path);
    return { memory, offset: part.region.offset, bytes: part.byteLength, resident: false, release };
  });
  return new CpuTensor(addon, data, pieces);
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
      [{ memory, offset: 0, bytes, resident: true, release }],
      true,
    );
  } catch (error) {
    throw new CapacityError(
      `a state of [${shape.join(', ')}] ${dtype}, ${bytes} bytes, does not fit in memory; lower the context or the budget`,
      { cause: error },
    );
  }
}
