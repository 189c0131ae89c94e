/**
 * Cuts the added tokens (special ones, and others a tokenizer was given later) out of a text before the
 * pre-tokenizer sees it. Matching is leftmost, longest first, by UTF-16 units.
 */

import { badField, idAt, isObject, listAt } from './json-access.ts';

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  /** Match in the normalised text instead of the text as given. */
  readonly normalized: boolean;
  /** Swallow white space before or after the token. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Match whole words only. */
  readonly singleWord: boolean;
}

export function addedTokensFromJson(value: unknown): AddedToken[] {
  if (value === undefined || value === null) return [];
  return listAt(value, 'tokenizer.json added_tokens').map((entry, i) => {
    const where = `tokenizer.json added_tokens[${i}]`;
    if (!isObject(entry)) throw badField(where, entry, 'an object');
    const { content } = entry;
    if (typeof content !== 'string' || content === '')
      throw badField(`${where}.content`, content, 'a token text');
    const special = entry.special === true;
    return {
      id: idAt(entry.id, `${where}.id`),
      content,
      special,
      normalized: typeof entry.normalized === 'boolean' ? entry.normalized : !special,
      lstrip: entry.lstrip === true,
      rstrip: entry.rstrip === true,
      singleWord: entry.single_word === true,
    };
  });
}

interface TrieNode {
  readonly next: Map<number, TrieNode>;
  token?: AddedToken;
}

const wordCharacter = /[\p{L}\p{M}\p{N}\p{Pc}]/u;

/** A piece of text, or an added token found in it. */
export type Section = string | AddedToken;

export class AddedTokenSplitter {
  private readonly root: TrieNode = { next: new Map() };
  private readonly empty: boolean;

  /** `pattern` gives the text to look for, where it is not the token's content (normalised tokens). */
  constructor(
    tokens: readonly AddedToken[],
    pattern: (token: AddedToken) => string = (token) => token.content,
  ) {
    let count = 0;
    for (const token of tokens) {
      const text = pattern(token);
      if (text === '') continue;
      count++;
      let node = this.root;
      for (let i = 0; i < text.length; i++) {
        const unit = text.charCodeAt(i);
        let child = node.next.get(unit);
        if (!child) node.next.set(unit, (child = { next: new Map() }));
        node = child;
      }
      node.token ??= token;
    }
    this.empty = count === 0;
  }

  /** The text cut at added tokens; empty pieces of text are left out. */
  split(text: string): Section[] {
    if (this.empty) return text === '' ? [] : [text];
    const sections: Section[] = [];
    let start = 0;
    for (let i = 0; i < text.length;) {
      const match = this.matchAt(text, i);
      if (!match) {
        i++;
        continue;
      }
      let end = match.end;
      const before = text.slice(start, i);
      const kept = match.token.lstrip ? withoutTrailingSpace(before) : before;
      if (kept !== '') sections.push(kept);
      if (match.token.rstrip) end += /^\p{White_Space}*/u.exec(text.slice(end))![0].length;
      sections.push(match.token);
      start = i = end;
    }
    if (start < text.length) sections.push(text.slice(start));
    return sections;
  }

  private matchAt(text: string, from: number): { token: AddedToken; end: number } | undefined {
    let node = this.root.next.get(text.charCodeAt(from));
    let best: { token: AddedToken; end: number } | undefined;
    for (let end = from + 1; node; end++) {
      if (node.token) best = { token: node.token, end };
      if (end >= text.length) break;
      node = node.next.get(text.charCodeAt(end));
    }
    if (best?.token.singleWord && !standsAlone(text, from, best.end)) return undefined;
    return best;
  }
}

/** By hand: a pattern anchored at the end takes quadratic time over long runs of white space. */
function withoutTrailingSpace(text: string): string {
  let end = text.length;
  while (end > 0 && /\p{White_Space}/u.test(text[end - 1]!)) end--;
  return text.slice(0, end);
}

function standsAlone(text: string, from: number, end: number): boolean {
  const before = from > 0 ? (/.$/su.exec(text.slice(Math.max(0, from - 2), from))?.[0] ?? '') : '';
  const after = end < text.length ? String.fromCodePoint(text.codePointAt(end)!) : '';
  return !wordCharacter.test(before) && !wordCharacter.test(after);
}
