/** Cuts a text into pieces of so many tokens that overlap, at paragraphs and sentences where one is near. */

export interface ChunkSizes {
  /** Tokens of a piece, at most. */
  readonly maxTokens: number;
  /** Tokens that a piece has in common with the one before, at most. */
  readonly overlapTokens: number;
}

/** Share of a piece that is given up to end it at a sentence. */
const SEARCHED = 0.25;

interface Word {
  readonly start: number;
  readonly end: number;
  readonly tokens: number;
  /** How well a piece may end behind it. */
  readonly ending: 'paragraph' | 'sentence' | 'none';
}

/** @param tokensOf tokens of one word */
export function chunkText(
  text: string,
  { maxTokens, overlapTokens }: ChunkSizes,
  tokensOf: (word: string) => number,
): string[] {
  const words = wordsOf(text, maxTokens, tokensOf);
  const chunks: string[] = [];
  for (let from = 0; from < words.length;) {
    let full = from;
    for (let sum = 0; full < words.length && sum + words[full]!.tokens <= maxTokens; full++)
      sum += words[full]!.tokens;
    const to = full === words.length ? full : endNear(words, from, Math.max(full, from + 1));
    chunks.push(text.slice(words[from]!.start, words[to - 1]!.end));
    if (to === words.length) break;
    let next = to;
    for (let common = 0; next > from + 1; next--) {
      common += words[next - 1]!.tokens;
      if (common > overlapTokens) break;
    }
    from = next;
  }
  return chunks;
}

/** @returns the place to end at, of those not far before `to` */
function endNear(words: readonly Word[], from: number, to: number): number {
  const least = to - Math.floor((to - from) * SEARCHED);
  for (const ending of ['paragraph', 'sentence'] as const)
    for (let end = to; end > Math.max(least, from); end--) if (words[end - 1]!.ending === ending) return end;
  return to;
}

function wordsOf(text: string, maxTokens: number, tokensOf: (word: string) => number): Word[] {
  const known = new Map<string, number>();
  const count = (word: string): number => {
    let tokens = known.get(word);
    if (tokens === undefined) known.set(word, (tokens = Math.max(1, tokensOf(word))));
    return tokens;
  };
  const words: Word[] = [];
  for (const match of text.matchAll(/(\S+)(\s*)/g)) {
    const [, word, space] = match as unknown as [string, string, string];
    const ending = /\n\s*\n/.test(space)
      ? 'paragraph'
      : /[.!?。！？]["')\]]*$/.test(word)
        ? 'sentence'
        : 'none';
    for (const [start, end] of parts(word, maxTokens, count)) {
      const last = end === word.length;
      words.push({
        start: match.index + start,
        end: match.index + end,
        tokens: count(word.slice(start, end)),
        ending: last ? ending : 'none',
      });
    }
  }
  return words;
}

/** A word longer than a piece, as text without spaces is, in halves until they fit. */
function* parts(
  word: string,
  maxTokens: number,
  count: (word: string) => number,
  start = 0,
  end = word.length,
): Generator<[number, number]> {
  if (end - start < 2 || count(word.slice(start, end)) <= maxTokens) {
    yield [start, end];
    return;
  }
  let middle = (start + end) >> 1;
  // Not between the halves of a character.
  if (/[\uDC00-\uDFFF]/.test(word[middle]!) && middle - 1 > start) middle--;
  yield* parts(word, maxTokens, count, start, middle);
  yield* parts(word, maxTokens, count, middle, end);
}
