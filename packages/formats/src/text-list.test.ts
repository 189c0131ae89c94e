import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isUtf8 } from './text-list.ts';

const decodes = (bytes: Uint8Array) => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes) !== undefined;
  } catch {
    return false;
  }
};

it('isUtf8 says what a decoder says', () => {
  const edges = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed];
  const byte = fc.constantFrom(...edges, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 6 }), fc.array(byte, { maxLength: 6 }), (any, edge) => {
      for (const bytes of [any, Uint8Array.from(edge)])
        expect(isUtf8(bytes, 0, bytes.length)).toBe(decodes(bytes));
    }),
    { numRuns: 5000 },
  );
  for (let code = 0; code < 0x110000; code += 97) {
    const bytes = new TextEncoder().encode(String.fromCodePoint(code));
    expect(isUtf8(bytes, 0, bytes.length)).toBe(true);
  }
});
