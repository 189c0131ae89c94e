/**
 * Padding of stream events by `obfuscation`, a field of random characters, as OpenAI has it: who sees only how long
 * encrypted events are learns less of the tokens in them.
 */

import { randomBytes } from 'node:crypto';

/** Events are padded to a multiple of so many bytes. */
const BLOCK = 64;

/** The event with as much padding as fills its last block, and at least one character. */
export function padded<Event extends object>(event: Event): Event & { obfuscation: string } {
  const empty = Buffer.byteLength(JSON.stringify({ ...event, obfuscation: '' }));
  const length = BLOCK - (empty % BLOCK);
  return { ...event, obfuscation: randomBytes(length).toString('base64url').slice(0, length) };
}

/** Chunks of chat and plain completions: those that have text. */
export async function* paddedChunks<Chunk extends { readonly choices: readonly unknown[] }>(
  chunks: AsyncIterable<Chunk>,
): AsyncGenerator<Chunk> {
  for await (const chunk of chunks) yield chunk.choices.length > 0 ? padded(chunk) : chunk;
}
