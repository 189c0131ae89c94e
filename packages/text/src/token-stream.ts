/**
 * Token ids to text, one at a time. `decode` is this stream run to its end, so both agree by construction.
 * UTF-8 is decoded as the WHATWG Encoding standard says: a damaged sequence becomes U+FFFD per maximal subpart.
 */

import type { TokenPieces } from './decode-rules.ts';
import type { TokenStream } from './tokenizer-types.ts';

export class PieceStream implements TokenStream {
  private readonly pieces: TokenPieces;
  private readonly skip: (id: number) => boolean;
  // `ignoreBOM` keeps a leading U+FEFF: it is text here, not an encoding mark.
  private readonly decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  private first = true;
  private leftToStrip: number;
  /** Whether the last byte was of one-byte characters, so that the decoder holds nothing back. */
  private whole = true;

  constructor(pieces: TokenPieces, skip: (id: number) => boolean) {
    this.pieces = pieces;
    this.skip = skip;
    this.leftToStrip = pieces.strip.count;
  }

  push(id: number): string {
    if (this.skip(id)) return '';
    const bytes = this.first ? this.pieces.first(id) : this.pieces.middle(id);
    if (!bytes) return '';
    this.first = false;
    return this.withoutPrefix(this.decoded(bytes));
  }

  flush(): string {
    return this.withoutPrefix(this.decoder.decode());
  }

  private decoded(bytes: Uint8Array): string {
    // Most pieces are a few such characters, for which the decoder is a long way round.
    const text = this.whole ? asciiText(bytes) : undefined;
    if (text !== undefined) return text;
    this.whole = (bytes.at(-1) ?? 0x80) < 0x80;
    return this.decoder.decode(bytes, { stream: true });
  }

  private withoutPrefix(text: string): string {
    if (this.leftToStrip === 0 || text === '') return text;
    let start = 0;
    while (this.leftToStrip > 0 && start < text.length) {
      if (!text.startsWith(this.pieces.strip.text, start)) {
        this.leftToStrip = 0;
        break;
      }
      start += this.pieces.strip.text.length;
      this.leftToStrip--;
    }
    return text.slice(start);
  }
}

/** Longer pieces are left to the decoder. */
const SHORT = 32;

/** Undefined where any byte is of a longer character. */
function asciiText(bytes: Uint8Array): string | undefined {
  if (bytes.length > SHORT) return undefined;
  let text = '';
  for (const byte of bytes) {
    if (byte >= 0x80) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}
