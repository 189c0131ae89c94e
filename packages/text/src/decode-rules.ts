/**
 * Compiles the `decoder` of a tokenizer.json to bytes per token, which is what streaming needs: what a token adds
 * depends on nothing but whether it is the first one. Decoders that look further ahead (CTC, BPEDecoder) are refused.
 */

import { UnsupportedError } from '@steelyard/core';
import { byteLevelBytes } from './byte-level-alphabet.ts';
import { badField, isObject, listAt, stringAt, type Json } from './json-access.ts';

export interface TokenPieces {
  /** Bytes that a token adds at the start of a text; undefined outside the vocabulary. */
  first(id: number): Uint8Array | undefined;
  /** Bytes that a token adds anywhere else. */
  middle(id: number): Uint8Array | undefined;
  /** Up to `count` copies of `text` are removed from the start of the whole text. */
  readonly strip: { readonly text: string; readonly count: number };
}

/** One step on one token. Bytes are final: text steps leave them alone. */
type Step = (piece: string | Uint8Array, first: boolean) => string | Uint8Array;

interface Program {
  readonly steps: Step[];
  strip: { text: string; count: number };
  fused: boolean;
}

const encoder = new TextEncoder();

export function compileDecoder(decoder: unknown, token: (id: number) => string | undefined): TokenPieces {
  const program: Program = { steps: [], strip: { text: ' ', count: 0 }, fused: false };
  if (decoder === null || decoder === undefined) {
    program.steps.push(onText((text, first) => (first ? text : ` ${text}`)));
  } else {
    addDecoder(decoder, program, 'tokenizer.json decoder');
  }
  const run = (id: number, first: boolean): Uint8Array | undefined => {
    const text = token(id);
    if (text === undefined) return undefined;
    let piece: string | Uint8Array = text;
    for (const step of program.steps) piece = step(piece, first);
    return typeof piece === 'string' ? encoder.encode(piece) : piece;
  };
  const middles: (Uint8Array | undefined)[] = [];
  return {
    first: (id) => run(id, true),
    middle: (id) => (middles[id] ??= run(id, false)),
    strip: program.strip,
  };
}

function onText(change: (text: string, first: boolean) => string | Uint8Array): Step {
  return (piece, first) => (typeof piece === 'string' ? change(piece, first) : piece);
}

function addDecoder(value: unknown, program: Program, where: string): void {
  if (!isObject(value)) throw badField(where, value, 'an object with a type');
  const type = stringAt(value.type, `${where}.type`);
  const add = Object.hasOwn(decoders, type) ? decoders[type] : undefined;
  if (!add) {
    throw new UnsupportedError(
      `${where}: decoder ${JSON.stringify(type)} is not supported (supported: ${Object.keys(decoders).join(', ')}).`,
    );
  }
  add(value, program, where);
}

const decoders: Record<string, ((config: Json, program: Program, where: string) => void) | undefined> = {
  Sequence(config, program, where) {
    listAt(config.decoders, `${where}.decoders`).forEach((inner, i) => {
      addDecoder(inner, program, `${where}.decoders[${i}]`);
    });
  },
  ByteLevel(_config, program) {
    program.steps.push(onText((text) => byteLevelBytes(text, encoder)));
  },
  ByteFallback(_config, program) {
    program.steps.push(onText((text) => byteToken(text) ?? text));
  },
  Fuse(_config, program) {
    program.fused = true;
  },
  Replace(config, program, where) {
    const pattern = isObject(config.pattern) ? config.pattern.String : undefined;
    // After Fuse a longer pattern could match across tokens.
    if (typeof pattern !== 'string' || pattern === '' || (program.fused && [...pattern].length > 1)) {
      throw new UnsupportedError(`${where}: only replacing one plain string is supported in a decoder.`);
    }
    const content = stringAt(config.content, `${where}.content`);
    program.steps.push(onText((text) => text.replaceAll(pattern, () => content)));
  },
  Strip(config, program, where) {
    const content = stringAt(config.content, `${where}.content`);
    const start = typeof config.start === 'number' ? config.start : 0;
    const stop = typeof config.stop === 'number' ? config.stop : 0;
    if (!program.fused) {
      program.steps.push(onText((text) => stripEnds(text, content, start, stop)));
    } else if (stop > 0 || program.strip.count > 0) {
      throw new UnsupportedError(`${where}: stripping the end of the whole text is not supported.`);
    } else {
      program.strip = { text: content, count: start };
    }
  },
  Metaspace(config, program) {
    const mark = typeof config.replacement === 'string' ? config.replacement : '\u2581';
    const prefixed =
      config.prepend_scheme === undefined
        ? config.add_prefix_space !== false
        : config.prepend_scheme !== 'never';
    program.steps.push(onText((text, first) => text.replaceAll(mark, first && prefixed ? '' : ' ')));
  },
  WordPiece(config, program) {
    const prefix = typeof config.prefix === 'string' ? config.prefix : '##';
    const cleanup = config.cleanup !== false;
    program.steps.push(
      onText((text, first) => {
        const joined = first ? text : text.startsWith(prefix) ? text.slice(prefix.length) : ` ${text}`;
        return cleanup ? closeUp(joined) : joined;
      }),
    );
  },
};

function byteToken(text: string): Uint8Array | undefined {
  const match = /^<0x([0-9A-Fa-f]{2})>$/.exec(text);
  return match ? Uint8Array.of(parseInt(match[1]!, 16)) : undefined;
}

function stripEnds(text: string, content: string, start: number, stop: number): string {
  let from = 0;
  let to = text.length;
  for (let i = 0; i < start && text.startsWith(content, from); i++) from += content.length;
  for (let i = 0; i < stop && to > from && text.endsWith(content); i++) {
    text = text.slice(0, (to -= content.length));
  }
  return text.slice(from, to);
}

/** English spacing around punctuation and contractions, token by token as WordPiece's decoder does it. */
function closeUp(text: string): string {
  return text
    .replaceAll(' .', '.')
    .replaceAll(' ?', '?')
    .replaceAll(' !', '!')
    .replaceAll(' ,', ',')
    .replaceAll(" ' ", "'")
    .replaceAll(" n't", "n't")
    .replaceAll(" 'm", "'m")
    .replaceAll(' do not', " don't")
    .replaceAll(" 's", "'s")
    .replaceAll(" 've", "'ve")
    .replaceAll(" 're", "'re");
}
