/**
 * GPT-2's alphabet: every byte as one printable character, so that a BPE vocabulary can be plain text.
 * Bytes that print keep their Latin-1 character; the others take characters from U+0100 on, in byte order.
 */

function printsAsItself(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/** Byte of each character of the alphabet, by UTF-16 code; -1 elsewhere. The alphabet ends below U+0144. */
const byteOf = new Int16Array(0x144).fill(-1);

for (let byte = 0, next = 0x100; byte < 256; byte++) {
  byteOf[printsAsItself(byte) ? byte : next++] = byte;
}

/** The bytes that a byte-level token stands for; a token with a foreign character stands for its own UTF-8. */
export function byteLevelBytes(token: string, encoder: TextEncoder): Uint8Array {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = byteOf[token.charCodeAt(i)] ?? -1;
    if (byte < 0) return encoder.encode(token);
    bytes[i] = byte;
  }
  return bytes;
}
