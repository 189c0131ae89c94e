/**
 * What a storage format is: one descriptor per dtype, and nothing outside its descriptor and the kernels
 * knows how its bytes are laid out.
 */

/** Descriptor of a storage format. Plain dtypes are blocks of one element. */
export interface DTypeInfo {
  /** GGUF's name in lower case (`q4_k`), or the usual short name (`f8_e4m3`). */
  readonly name: string;
  /** Number in the tape. Never reused: it is part of the contract with C++. */
  readonly code: number;
  /** ggml type number in GGUF files, where it has one. */
  readonly ggml?: number;
  /** Name in a safetensors header, where it has one. */
  readonly safetensors?: string;
  /** Elements per block. A row holds a whole number of blocks. */
  readonly blockSize: number;
  /** Bytes per block. */
  readonly blockBytes: number;
  /**
   * Decodes `blocks` blocks from `src` at byte `srcOffset` to float32 at element `outOffset`.
   * Bit-exact with the `gguf` Python package. Integer dtypes decode to their value.
   */
  decode(src: Uint8Array, srcOffset: number, out: Float32Array, outOffset: number, blocks: number): void;
}
