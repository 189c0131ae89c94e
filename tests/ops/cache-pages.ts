/** Pages of a KV cache in q8_0 as the CPU's kernels keep them: all codes, then the scales block by block (see kvwrite). */

import { byteLength, elementCount, f16ToF32, f32ToF16, type Random, type TensorData } from '@steelyard/graph';

const BLOCK = 32;
const LARGEST_SCALE = 0.05;

interface Shape {
  /** Of all heads. */
  readonly pages: number;
  readonly slots: number;
  readonly dim: number;
}

function shapeOf([count, heads, slots, dim]: readonly number[]): Shape {
  return {
    pages: (count as number) * (heads as number),
    slots: slots as number,
    dim: dim as number,
  };
}

/** Bytes of a cache with random contents. */
export function randomPages(shape: readonly number[], random: Random): Uint8Array {
  const { pages, slots, dim } = shapeOf(shape);
  const bytes = new Uint8Array(byteLength('q8_0', elementCount(shape)));
  const view = new DataView(bytes.buffer);
  for (let page = 0, at = 0; page < pages; page++) {
    for (let i = 0; i < slots * dim; i++, at++) view.setInt8(at, random.int(-127, 127));
    for (let i = 0; i < (slots * dim) / BLOCK; i++, at += 2)
      view.setUint16(at, f32ToF16(random.next() * LARGEST_SCALE), true);
  }
  return bytes;
}

/** Bytes where the code and the scale of each element lie, in pairs; elements are arranged as codes are. */
export function pagePlaces(shape: readonly number[], byColumn: boolean): Int32Array {
  const { pages, slots, dim } = shapeOf(shape);
  const places = new Int32Array(2 * pages * slots * dim);
  for (let page = 0, n = 0; page < pages; page++) {
    const first = byteLength('q8_0', page * slots * dim);
    for (let within = 0; within < slots * dim; within++) {
      const slot = byColumn ? within % slots : Math.floor(within / dim);
      const element = byColumn ? Math.floor(within / slots) : within % dim;
      places[n++] = first + within;
      places[n++] = first + slots * dim + 2 * (Math.floor(element / BLOCK) * slots + slot);
    }
  }
  return places;
}

/** What a cache's bytes stand for, arranged as the codes are. */
export function pageValues(cache: TensorData, byColumn: boolean): Float32Array {
  const stored = cache.bytes();
  const view = new DataView(stored.buffer, stored.byteOffset);
  const places = pagePlaces(cache.shape, byColumn);
  return Float32Array.from({ length: places.length / 2 }, (_, n) => {
    const [code, scale] = places.subarray(2 * n, 2 * n + 2) as unknown as [number, number];
    return view.getInt8(code) * f16ToF32(view.getUint16(scale, true));
  });
}
