/** JSON objects from files of strangers: size, depth and number of values are bounded, prototypes cannot be reached. */

import { FormatError } from '@steelyard/core';
import { shown } from './shown.ts';

const MAX_DEPTH = 64;
/** In memory a value takes many times its least size in the file; the largest tokenizers have under three million. */
const MAX_VALUES = 1 << 22;

/** `__proto__` as a key, if any of its letters may be written as an escape. */
const PROTOTYPE = /__proto__|\\u00(?:5f|70|72|6f|74)/i;

const utf8 = new TextDecoder('utf-8', { fatal: true });

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;

/**
 * @param file name for errors
 * @param maxKeys when given, the object, and each object directly in it, may have so many keys, each only once
 * @throws FormatError naming the file
 */
export function parseJsonObject(file: string, bytes: Uint8Array, maxKeys?: number): Record<string, unknown> {
  const value = parseJson(file, bytes, maxKeys);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FormatError(
      `${file}: holds JSON that is ${shown(value)}, expected an object; it is another kind of file`,
    );
  }
  return value as Record<string, unknown>;
}

/** Any JSON value, with the same bounds. @throws FormatError naming the file */
export function parseJson(file: string, bytes: Uint8Array, maxKeys?: number): unknown {
  checkStructure(file, bytes, maxKeys);
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (error) {
    throw new FormatError(`${file}: JSON is not valid UTF-8, expected text; the file is damaged`, {
      cause: error,
    });
  }
  try {
    // A reviver makes parsing several times slower, so it is used only where there may be something to remove.
    return PROTOTYPE.test(text) ? JSON.parse(text, withoutPrototype) : JSON.parse(text);
  } catch (error) {
    throw new FormatError(
      `${file}: is not valid JSON: ${shown((error as Error).message)}; the file is damaged`,
      { cause: error },
    );
  }
}

function withoutPrototype(key: string, value: unknown): unknown {
  return key === '__proto__' ? undefined : value;
}

/** Walks over brackets, commas and strings, so that a hostile file cannot exhaust the parser's stack or memory. */
function checkStructure(file: string, bytes: Uint8Array, maxKeys?: number): void {
  const keys: Set<string>[] = [];
  let depth = 0;
  let values = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) {
      const end = stringEnd(bytes, i);
      if (maxKeys !== undefined && depth <= 2 && nextByte(bytes, end) === COLON) {
        addKey(file, keys[depth], bytes.subarray(i, end), maxKeys);
      }
      i = end - 1;
    } else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > MAX_DEPTH) {
        throw new FormatError(
          `${file}: JSON nests deeper than ${MAX_DEPTH} at byte ${i}; the file is damaged`,
        );
      }
      values++;
      if (depth <= 2) keys[depth] = new Set();
    } else if (byte === 0x7d || byte === 0x5d) depth--;
    else if (byte === COMMA) values++;
    if (values > MAX_VALUES) {
      throw new FormatError(
        `${file}: JSON has value ${values} at byte ${i}, expected at most ${MAX_VALUES}; the file is damaged`,
      );
    }
  }
}

/** Index after the closing quote of the string that opens at `start`. */
function stringEnd(bytes: Uint8Array, start: number): number {
  let i = start + 1;
  while (i < bytes.length && bytes[i] !== QUOTE) i += bytes[i] === BACKSLASH ? 2 : 1;
  return i + 1;
}

/** The first byte from `at` that is not white space. */
function nextByte(bytes: Uint8Array, at: number): number | undefined {
  let i = at;
  while (bytes[i] === 0x20 || bytes[i] === 0x0a || bytes[i] === 0x0d || bytes[i] === 0x09) i++;
  return bytes[i];
}

function addKey(file: string, keys: Set<string> | undefined, quoted: Uint8Array, maxKeys: number): void {
  let key: unknown;
  try {
    key = JSON.parse(utf8.decode(quoted));
  } catch {
    return; // The whole will not parse either.
  }
  if (typeof key !== 'string' || !keys) return;
  if (keys.has(key)) {
    throw new FormatError(`${file}: ${shown(key)} appears twice, expected it once; the file is damaged`);
  }
  keys.add(key);
  if (keys.size > maxKeys) {
    throw new FormatError(
      `${file}: JSON has ${keys.size} keys at ${shown(key)}, expected at most ${maxKeys}; the file is damaged or not what it claims to be`,
    );
  }
}
