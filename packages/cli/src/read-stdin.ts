/** All of a piped standard input as text. */

import { UsageError } from './errors.ts';
import type { Input } from './context.ts';
import { formatBytes } from './terminal/format.ts';

/** More than any model's context, less than what would exhaust memory. */
const MAX_BYTES = 64 * 1024 * 1024;

/** Undefined when stdin is a terminal: nobody piped anything. @throws UsageError when it is too long */
export async function readStdin(stdin: Input): Promise<string | undefined> {
  if (stdin.isTTY) return undefined;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdin as AsyncIterable<Buffer | string>) {
    const buffer = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    bytes += buffer.length;
    if (bytes > MAX_BYTES) throw new UsageError(`stdin holds more than ${formatBytes(MAX_BYTES)} of text`);
    chunks.push(buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}
