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
    return this.withoutPrefix(this.decoder.decode(bytes, { stream: true }));
  }

  flush(): string {
    return this.withoutPrefix(this.decoder.decode());
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
