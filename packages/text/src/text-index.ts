/**
 * Places of texts in a list by the texts themselves, over bytes as a file has them. Strings and maps of a large
 * vocabulary and its merges would take several times the time and memory.
 */

/** Texts in UTF-8: number `i` is bytes `starts[i]` to `ends[i]`. */
export interface EncodedTexts extends Iterable<string> {
  readonly length: number;
  readonly bytes: Uint8Array;
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
}

/** Of each process another, so that nobody can write a file whose texts all fall together. */
const SEED = Math.floor(Math.random() * 2 ** 32) | 0;
/** Answers that are remembered; a few megabytes. */
const MOST_KNOWN = 1 << 16;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** The text at a place; undefined outside of the list. */
export function textAt({ bytes, starts, ends }: EncodedTexts, place: number): string | undefined {
  return starts[place] === undefined ? undefined : decoder.decode(bytes.subarray(starts[place], ends[place]));
}

/** Hash of a text; or, with that of its beginning, of the whole. */
export function hashOf(bytes: Uint8Array, start: number, end: number, hash = SEED): number {
  for (let i = start; i < end; i++) {
    hash = Math.imul(hash ^ bytes[i]!, 0x5bd1e995);
    hash ^= hash >>> 15;
  }
  return hash;
}

export class TextIndex {
  readonly texts: EncodedTexts;
  private readonly hashes: Int32Array;
  /** A place plus one, at the hash of its text or soon after; 0 where nothing is. */
  private readonly slots: Int32Array;
  private readonly known = new Map<string, number | undefined>();

  /** Of equal texts the last counts; `onRepeat` hears of it. */
  constructor(texts: EncodedTexts, onRepeat: (place: number) => void = () => undefined) {
    const { bytes, starts, ends, length } = texts;
    this.texts = texts;
    this.hashes = new Int32Array(length);
    // At most half full.
    this.slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * length + 1)));
    for (let i = 0; i < length; i++) {
      const hash = (this.hashes[i] = hashOf(bytes, starts[i]!, ends[i]!));
      const slot = this.slotOf(hash, bytes, starts[i]!, ends[i]!);
      if (this.slots[slot] !== 0) onRepeat(i);
      this.slots[slot] = i + 1;
    }
  }

  find(text: string): number | undefined {
    let place = this.known.get(text);
    if (place !== undefined || this.known.has(text)) return place;
    // With a lone surrogate it is no text that bytes spell.
    if (!/\p{Cs}/u.test(text)) {
      const bytes = encoder.encode(text);
      place = this.findBytes(hashOf(bytes, 0, bytes.length), bytes, 0, bytes.length);
    }
    if (this.known.size >= MOST_KNOWN) this.known.clear();
    this.known.set(text, place);
    return place;
  }

  /** Place of the text of `bytes` from `start` to `end` and then from `start2` to `end2`, of that hash. */
  findBytes(
    hash: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    start2 = 0,
    end2 = 0,
  ): number | undefined {
    const slot = this.slots[this.slotOf(hash, bytes, start, end, start2, end2)]!;
    return slot === 0 ? undefined : slot - 1;
  }

  /** Where such a text is, or would be put. */
  private slotOf(hash: number, bytes: Uint8Array, start: number, end: number, start2 = 0, end2 = 0): number {
    const mask = this.slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const place = this.slots[slot]! - 1;
      if (place < 0) return slot;
      if (this.hashes[place] === hash && this.is(place, bytes, start, end, start2, end2)) return slot;
    }
  }

  private is(
    place: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    start2: number,
    end2: number,
  ): boolean {
    const own = this.texts.bytes;
    let at = this.texts.starts[place]!;
    if (this.texts.ends[place]! - at !== end - start + end2 - start2) return false;
    for (let i = start; i < end; i++) if (own[at++] !== bytes[i]) return false;
    for (let i = start2; i < end2; i++) if (own[at++] !== bytes[i]) return false;
    return true;
  }
}

/** Strings as a list of bytes. */
export function encodeTexts(texts: readonly string[]): EncodedTexts {
  const ends = new Uint32Array(texts.length);
  const pieces = texts.map((text) => encoder.encode(text));
  let length = 0;
  pieces.forEach((piece, i) => (ends[i] = length += piece.length));
  const bytes = new Uint8Array(length);
  const starts = ends.map((end, i) => end - pieces[i]!.length);
  pieces.forEach((piece, i) => bytes.set(piece, starts[i]));
  return { length: texts.length, bytes, starts, ends, [Symbol.iterator]: () => texts[Symbol.iterator]() };
}
