/** Lines of a content while it is read: a line is in memory whole, the content is not. */

/** A line as text, or what is wrong with it. Numbers count from 1. */
export interface ReadLine {
  readonly number: number;
  readonly text: string;
  readonly problem?: 'too_long' | 'not_utf8';
}

const NEWLINE = 0x0a;

/** Blank lines are left out, and counted. @param limit of a line's bytes; what exceeds it is read past */
export async function* readLines(
  content: AsyncIterable<Uint8Array>,
  limit: number,
): AsyncGenerator<ReadLine> {
  let number = 1;
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  const end = (): ReadLine | undefined => {
    const line = toLine(number++, pieces, bytes > limit);
    pieces = [];
    bytes = 0;
    return line;
  };
  const add = (piece: Uint8Array): void => {
    bytes += piece.byteLength;
    if (bytes > limit) pieces = [];
    else pieces.push(piece);
  };
  for await (const chunk of content) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      add(chunk.subarray(from, at));
      from = at + 1;
      const line = end();
      if (line) yield line;
    }
    add(chunk.subarray(from));
  }
  const last = end();
  if (last) yield last;
}

function toLine(number: number, pieces: readonly Uint8Array[], tooLong: boolean): ReadLine | undefined {
  if (tooLong) return { number, text: '', problem: 'too_long' };
  try {
    // A byte order mark at the start is not part of the text, and the decoder drops it.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces));
    return text.trim() === '' ? undefined : { number, text };
  } catch {
    return { number, text: '', problem: 'not_utf8' };
  }
}
