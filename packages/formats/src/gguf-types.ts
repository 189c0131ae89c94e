/** GGUF's numbers, as the specification in ggml's docs/gguf.md gives them. */

export const GGUF_MAGIC = 0x46554747; // "GGUF"
export const GGUF_VERSIONS = [2, 3] as const;
export const DEFAULT_ALIGNMENT = 32;

/** Metadata value types. */
export const ValueType = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
} as const;

/** Bytes that one value takes at least; bounds array counts before anything is allocated. */
export const valueBytes: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  8: 8,
  9: 12,
  10: 8,
  11: 8,
  12: 8,
};
