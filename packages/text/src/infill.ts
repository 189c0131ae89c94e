/**
 * Prompts to fill in the middle between two texts, for models that were trained on it: their vocabularies have marks for
 * the parts. What stands between marks is text, whatever it spells.
 * @see Bavarian et al. 2022, arXiv:2207.14255
 */

import type { Tokenizer } from './tokenizer-types.ts';

/** Ids of the marks; each stands before its part, the last before the answer. */
interface InfillMarks {
  readonly prefix: number;
  readonly suffix: number;
  readonly middle: number;
}

/** By the order of `InfillMarks`. The two characters of DeepSeek's marks are U+FF5C and U+2581, that of Code Llama's is U+2581. */
const families: readonly (readonly string[])[] = [
  // Qwen 2.5 Coder, CodeGemma, Granite 3.3.
  ['<|fim_prefix|>', '<|fim_suffix|>', '<|fim_middle|>'],
  // StarCoder, Granite Code, Stable Code.
  ['<fim_prefix>', '<fim_suffix>', '<fim_middle>'],
  // SantaCoder.
  ['<fim-prefix>', '<fim-suffix>', '<fim-middle>'],
  // DeepSeek Coder: begin, hole, end.
  ['<\uff5cfim\u2581begin\uff5c>', '<\uff5cfim\u2581hole\uff5c>', '<\uff5cfim\u2581end\uff5c>'],
  ['\u2581<PRE>', '\u2581<SUF>', '\u2581<MID>'],
];

/** What models write behind the middle: padding, the next file of a repository, Code Llama's own end. */
const ENDS = [
  ...['<|fim_pad|>', '<fim_pad>', '<|file_sep|>', '<file_sep>', '<|file_separator|>', '<|repo_name|>'],
  ...['<repo_name>', '<reponame>', '\u2581<EOT>', '<|endoftext|>'],
];

/** A character that no neighbour merges with. */
const APART = '\u263a';

/** What the file declares, or what the vocabulary has by a known name; undefined where the model has no marks. */
function infillMarks(tokenizer: Tokenizer): InfillMarks | undefined {
  if (tokenizer.infill) return tokenizer.infill;
  for (const marks of families) {
    const [prefix, suffix, middle] = marks.map((mark) => tokenizer.id(mark));
    if (prefix !== undefined && suffix !== undefined && middle !== undefined)
      return { prefix, suffix, middle };
  }
  return undefined;
}

export interface Infill {
  /** Token ids whose continuation belongs between the texts. */
  readonly prompt: readonly number[];
  /** Tokens that end it beside the tokenizer's own. */
  readonly endTokens: readonly number[];
}

/** Undefined where the model has no marks. */
export function infill(tokenizer: Tokenizer, before: string, after: string): Infill | undefined {
  const marks = infillMarks(tokenizer);
  if (!marks) return undefined;
  const { bosId } = tokenizer;
  const begins = bosId !== undefined && tokenizer.encode('')[0] === bosId;
  const prompt = [
    ...(begins ? [bosId] : []),
    marks.prefix,
    ...tokenizer.encode(before, { addSpecial: false, parseSpecial: false }),
    marks.suffix,
    ...encodeWithin(tokenizer, after),
    marks.middle,
  ];
  const ends = ENDS.map((mark) => tokenizer.id(mark)).filter((id) => id !== undefined);
  return { prompt, endTokens: [...Object.values<number>({ ...marks }), ...ends] };
}

/** As in the midst of a text: some tokenizers put a space before a text's first word. */
function encodeWithin(tokenizer: Tokenizer, text: string): number[] {
  const plain = { addSpecial: false, parseSpecial: false };
  const apart = tokenizer.encode(APART, plain);
  const ids = tokenizer.encode(APART + text, plain);
  const isApart = apart.every((id, i) => ids[i] === id);
  return isApart ? ids.slice(apart.length) : tokenizer.encode(text, plain);
}
