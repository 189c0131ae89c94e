/** Properties of decoding: streams agree with `decode`, emit whole characters, and byte-level texts come back. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tokenizerFromJson, type Tokenizer } from '../src/index.ts';
import { golden, goldenNames, samples, type TokenizerGolden } from './goldens.ts';

const names = goldenNames().filter((name) => /^(bpe|spm|wordpiece|unigram)/.test(name));
const load = (name: string) => tokenizerFromJson(golden<TokenizerGolden>(name).tokenizer);

function streamed(tokenizer: Tokenizer, ids: readonly number[], skipSpecial: boolean): string[] {
  const stream = tokenizer.stream({ skipSpecial });
  const parts = ids.map((id) => stream.push(id));
  return [...parts, stream.flush()];
}

describe.each(names)('%s', (name) => {
  const tokenizer = load(name);
  const anyIds = fc.array(fc.integer({ min: 0, max: tokenizer.vocabSize + 3 }), { maxLength: 40 });

  it('streams what it decodes', () => {
    fc.assert(
      fc.property(anyIds, fc.boolean(), (ids, skipSpecial) => {
        const parts = streamed(tokenizer, ids, skipSpecial);
        expect(parts.join('')).toBe(tokenizer.decode(ids, { skipSpecial }));
        for (const part of parts) expect(part).not.toMatch(/\p{Cs}/u);
      }),
      { numRuns: 200 },
    );
  });

  it('adds up to the bytes of its tokens', () => {
    fc.assert(
      fc.property(anyIds, (ids) => {
        // The first token is the one that may differ: `bytes` speaks of the middle of a text.
        const lead = tokenizer.encode('x', { addSpecial: false });
        const bytes = ids.flatMap((id) => [...tokenizer.bytes(id)]);
        const tail = new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes));
        const whole = tokenizer.decode([...lead, ...ids], { skipSpecial: false });
        expect(whole).toBe(tokenizer.decode(lead) + tail);
      }),
      { numRuns: 100 },
    );
  });

  it('streams every sample without a replacement character of its own making', () => {
    for (const text of samples) {
      const whole = text.replace(/\p{Cs}/gu, '');
      if (whole.includes('\ufffd')) continue;
      const ids = tokenizer.encode(whole);
      const parts = streamed(tokenizer, ids, true);
      expect(parts.join('')).not.toContain('\ufffd');
    }
  });
});

describe('byte-level round trip', () => {
  it.each(['bpe-smollm', 'bpe-llama3'])('%s', (name) => {
    const tokenizer = load(name);
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        const ids = tokenizer.encode(text, { addSpecial: false, parseSpecial: false });
        expect(tokenizer.decode(ids, { skipSpecial: false })).toBe(text);
      }),
      { numRuns: 300 },
    );
  });

  it('survives any UTF-16, lone surrogates as U+FFFD', () => {
    const tokenizer = load('bpe-llama3');
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 }), (units) => {
        const text = String.fromCharCode(...units);
        const ids = tokenizer.encode(text, { addSpecial: false, parseSpecial: false });
        expect(tokenizer.decode(ids, { skipSpecial: false })).toBe(text.replace(/\p{Cs}/gu, '\ufffd'));
      }),
    );
  });
});

describe('characters over several tokens', () => {
  const bytes = (tokenizer: Tokenizer, text: string) =>
    [...new TextEncoder().encode(text)].map((byte) =>
      tokenizer.id(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)!,
    );

  it('holds back byte tokens until the character is whole', () => {
    const tokenizer = load('spm-gemma');
    expect(streamed(tokenizer, bytes(tokenizer, '😀é'), true)).toEqual(['', '', '', '😀', '', 'é', '']);
  });

  it('gives U+FFFD for an unfinished character at the end, or before other text', () => {
    const tokenizer = load('spm-gemma');
    const [first, second] = bytes(tokenizer, '😀');
    const a = tokenizer.id('a')!;
    expect(streamed(tokenizer, [first!, second!], true)).toEqual(['', '', '\ufffd']);
    expect(streamed(tokenizer, [first!, a], true)).toEqual(['', '\ufffda', '']);
  });

  it('keeps a byte order mark', () => {
    const tokenizer = load('bpe-smollm');
    const text = '\ufeffx\ufeff';
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  it('drops one space in front where the tokenizer had added it, special tokens aside', () => {
    const tokenizer = load('spm-llama');
    const ids = tokenizer.encode(' two');
    expect(tokenizer.decode(ids)).toBe(' two');
    expect(tokenizer.decode(ids, { skipSpecial: false })).toBe('<s>  two');
    expect(streamed(tokenizer, tokenizer.encode('one'), true).join('')).toBe('one');
  });
});
