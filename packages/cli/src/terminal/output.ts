/** What commands write to: enough of a stream that tests can hand in an array. */

import type { Writable } from 'node:stream';

export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): boolean;
}

/** Writes and waits while the reader is behind. Resolves at once when the stream has been closed. */
export async function writeAll(out: Output, text: string): Promise<void> {
  if (out.write(text)) return;
  const stream = out as Output & Partial<Writable>;
  if (typeof stream.once !== 'function' || stream.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      for (const event of ['drain', 'close', 'error']) stream.off?.(event, done);
      resolve();
    };
    for (const event of ['drain', 'close', 'error']) stream.once?.(event, done);
  });
}
