/** JSON objects from files of strangers: size and depth are bounded, prototypes cannot be reached. */

import { FormatError } from '@steelyard/core';

const MAX_DEPTH = 64;

/** @throws FormatError naming the file */
export function parseJsonObject(file: string, bytes: Uint8Array): Record<string, unknown> {
  refuseDepth(file, bytes);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new FormatError(`${file}: JSON is not valid UTF-8`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text, (key, inner: unknown) => (key === '__proto__' ? undefined : inner));
  } catch (error) {
    throw new FormatError(`${file}: is not valid JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FormatError(`${file}: holds JSON that is not an object`);
  }
  return value as Record<string, unknown>;
}

/** Counts brackets outside strings, so that a hostile file cannot exhaust the parser's stack. */
function refuseDepth(file: string, bytes: Uint8Array): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (inString) {
      if (byte === 0x5c) i++;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > MAX_DEPTH) throw new FormatError(`${file}: JSON nests deeper than ${MAX_DEPTH}`);
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
}
