/**
 * A list of texts as it lies in a file, UTF-8 with what stands between. A vocabulary and its merges are hundreds of
 * thousands of texts, of which a run asks for few: each is decoded when it is asked for.
 */

export class TextList implements Iterable<string> {
  readonly length: number;
  readonly bytes: Uint8Array;
  /** Text `i` is bytes `starts[i]` to `ends[i]`. */
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(bytes: Uint8Array, starts: Uint32Array, ends: Uint32Array) {
    this.length = starts.length;
    this.bytes = bytes;
    this.starts = starts;
    this.ends = ends;
  }

  at(i: number): string | undefined {
    return i >= 0 && i < this.length
      ? this.#utf8.decode(this.bytes.subarray(this.starts[i], this.ends[i]))
      : undefined;
  }

  *[Symbol.iterator](): Iterator<string> {
    for (let i = 0; i < this.length; i++) yield this.at(i) as string;
  }

  toJSON(): string[] {
    return [...this];
  }
}

/** Whether bytes `start` to `end` are UTF-8. */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end;) {
    const first = bytes[i++] as number;
    if (first < 0x80) continue;
    const more = first < 0xc2 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : 0;
    if (more === 0 || i + more > end) return false;
    // The second byte tells overlong forms, surrogates and numbers beyond the last from characters.
    const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
    const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
    const second = bytes[i++] as number;
    if (second < low || second > high) return false;
    for (let j = 1; j < more; j++) if (((bytes[i++] as number) & 0xc0) !== 0x80) return false;
  }
  return true;
}
