/** The order of BPE's merges as a GGUF file lists them, `left right`, best first: checked and found where they lie. */

import { FormatError } from '@steelyard/core';
import { badField, describe } from './json-access.ts';
import { hashOf, textAt, TextIndex, type EncodedTexts } from './text-index.ts';

/** The tokens that merges join. */
export interface MergedTokens {
  readonly index: TextIndex;
  /** Whether merging may start from it and may make it. */
  takesPart(id: number): boolean;
  /** Whether plain text must not turn into it. */
  isSpecial(id: number): boolean;
}

const SPACE = 0x20;

export class MergeRanks extends Map<string, number> {
  private readonly index: TextIndex;
  /**
   * Merges that spell a special token: its text in content that may not hold special tokens must stay ordinary text.
   */
  private readonly left = new Set<number>();

  /** @throws FormatError naming the first that is no pair, or not of known tokens */
  constructor(merges: EncodedTexts, tokens: MergedTokens, where: string) {
    super();
    const { bytes, starts, ends, length } = merges;
    const isKnown = (id: number | undefined) => id !== undefined && tokens.takesPart(id);
    for (let i = 0; i < length; i++) {
      const [start, end] = [starts[i]!, ends[i]!];
      let space = start;
      while (space < end && bytes[space] !== SPACE) space++;
      let next = space + 1;
      while (next < end && bytes[next] !== SPACE) next++;
      // Two spaces would leave open which one divides.
      if (space === start || space >= end - 1 || next !== end)
        throw badField(`${where}[${i}]`, textAt(merges, i), 'two tokens with one space between');
      const { index } = tokens;
      const begun = hashOf(bytes, start, space);
      const left = index.findBytes(begun, bytes, start, space);
      const right = index.findBytes(hashOf(bytes, space + 1, end), bytes, space + 1, end);
      const made = index.findBytes(hashOf(bytes, space + 1, end, begun), bytes, start, space, space + 1, end);
      if (!isKnown(left) || !isKnown(right) || !isKnown(made)) {
        const [first, second] = textAt(merges, i)!.split(' ') as [string, string];
        const missing = !isKnown(left) ? first : !isKnown(right) ? second : first + second;
        throw notKnown(`${where}[${i}]`, missing);
      }
      if (tokens.isSpecial(made!)) this.left.add(i);
    }
    this.index = new TextIndex(merges);
  }

  /** The library asks by the JSON text of a pair. */
  override get(key: string): number | undefined {
    // Without escapes the only quotes are those around the two.
    const cut = key.includes('\\') ? -1 : key.indexOf('","');
    const [left, right] =
      cut < 0 ? (JSON.parse(key) as [string, string]) : [key.slice(2, cut), key.slice(cut + 3, -2)];
    const rank = this.index.find(`${left} ${right}`);
    return rank === undefined || this.left.has(rank) ? undefined : rank;
  }
}

/** What a merge needs and the vocabulary lacks. */
export function notKnown(where: string, token: string | undefined): FormatError {
  return new FormatError(
    `${where}: ${describe(token)} is not in the vocabulary; a merge joins two known tokens into a third. Download the model again.`,
  );
}
