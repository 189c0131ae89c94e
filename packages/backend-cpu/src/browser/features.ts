/** What this host's WebAssembly has, found by modules of one function. */

const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
/** A type and a function of it: nothing to a vector. */
const FUNCTION = [1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0];
/** A vector of equal bytes. */
const SPLAT = [0x41, 0, 0xfd, 15];

function accepts(body: readonly number[]): boolean {
  const code = [0, ...body, 11];
  return WebAssembly.validate(
    Uint8Array.from([...HEADER, ...FUNCTION, 10, code.length + 2, 1, code.length, ...code]),
  );
}

export function hasSimd(): boolean {
  return accepts(SPLAT);
}

/** By its product of signed and 7-bit bytes. */
export function hasRelaxedSimd(): boolean {
  return accepts([...SPLAT, ...SPLAT, ...SPLAT, 0xfd, 0x93, 2]);
}
