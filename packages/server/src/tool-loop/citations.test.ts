import { describe, expect, it } from 'vitest';
import { Citations } from './citations.ts';

const passage = (file_id: string, text = 'x') => ({
  ...{ file_id, filename: `${file_id}.txt`, score: 1, attributes: {}, text },
});

function citations(): Citations {
  const made = new Citations();
  made.describe([passage('a'), passage('b')]);
  return made;
}

/** The text, with a bar and the file where an annotation stands. */
function read(pieces: readonly string[], from = citations()): string {
  const reader = from.reader();
  const parts = [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()];
  return parts
    .map((part) => {
      if (typeof part === 'string') return part;
      return part.type === 'annotation' ? `|${part.annotation.file_id}` : '?';
    })
    .join('');
}

describe('marks of citations', () => {
  it.each<[string, string]>([
    ['One [1]. Two [2].', 'One|a. Two|b.'],
    ['Both [1, 2], and [2][1]', 'Both|a|b, and|b|a'],
    ['[1] first', '|a first'],
    ['Unknown [3], [0], [1, 3]', 'Unknown [3], [0], [1, 3]'],
    ['array[1] and a[i]', 'array|a and a[i]'],
    ['open [1', 'open [1'],
    ['Ends with a space ', 'Ends with a space '],
    ['[see] [ 1 ] [1] [', '[see] [ 1 ]|a ['],
  ])('%j', (text, expected) => {
    expect(read([text])).toBe(expected);
    // However it comes.
    expect(read([...text])).toBe(expected);
    for (let at = 1; at < text.length; at++) expect(read([text.slice(0, at), text.slice(at)])).toBe(expected);
  });

  it('are text where nothing was found', () => {
    expect(read(['One [1', ']'], new Citations())).toBe('One [1]');
  });

  it('keep the number of a passage that is found again', () => {
    const from = citations();
    expect(from.describe([passage('b'), passage('c')])).toMatch(/^\[2\] b\.txt\nx\n\n\[3\] c\.txt/);
    expect(from.describe([])).toBe('No passages were found.');
    expect(read(['[3]'], from)).toBe('|c');
  });
});
