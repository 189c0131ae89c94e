/**
 * Reads the markdown that models write into a small tree: paragraphs, headings, lists, quotes, code, emphasis, links.
 * The tree holds plain strings only; HTML in the text stays text. Tables and nested lists are left as they are written.
 */

export type Inline = string | InlineElement;

export interface InlineElement {
  readonly tag: 'strong' | 'em' | 'del' | 'code' | 'a';
  readonly children: readonly Inline[];
  /** Of `a` only; always http, https or mailto. */
  readonly href?: string;
}

export type Block =
  | { readonly tag: 'p' | 'h1' | 'h2' | 'h3' | 'h4' | 'h5' | 'h6'; readonly children: readonly Inline[] }
  | { readonly tag: 'pre'; readonly text: string }
  | { readonly tag: 'hr' }
  | { readonly tag: 'blockquote'; readonly blocks: readonly Block[] }
  | { readonly tag: 'ul' | 'ol'; readonly start: number; readonly items: readonly (readonly Inline[])[] };

/** Emphasis is searched by patterns that cost the square of a paragraph; a longer one is shown as it is. */
const MAX_INLINE = 10_000;
/** Quotes inside quotes; deeper ones show their marks. */
const MAX_DEPTH = 4;

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const HEADING = /^(#{1,6}) +(.*)$/;
const RULE = /^ {0,3}([-*_])( *\1){2,} *$/;
const BULLET = /^ {0,3}[-*+] +(.*)$/;
const NUMBERED = /^ {0,3}(\d{1,9})[.)] +(.*)$/;
const QUOTE = /^ {0,3}> ?(.*)$/;

export function parseMarkdown(text: string, depth = 0): Block[] {
  const lines = text.split('\n');
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length;) {
    const line = lines[at]!;
    if (line.trim() === '') {
      at++;
      continue;
    }
    const [block, next] = readBlock(lines, at, depth);
    blocks.push(block);
    at = next;
  }
  return blocks;
}

function readBlock(lines: readonly string[], at: number, depth: number): [Block, number] {
  const line = lines[at]!;
  if (FENCE.test(line)) return readFence(lines, at);
  const heading = HEADING.exec(line);
  if (heading) return [{ tag: `h${heading[1]!.length as 1}`, children: parseInline(heading[2]!) }, at + 1];
  if (RULE.test(line)) return [{ tag: 'hr' }, at + 1];
  if (BULLET.test(line)) return readList(lines, at, 'ul');
  if (NUMBERED.test(line)) return readList(lines, at, 'ol');
  if (QUOTE.test(line) && depth < MAX_DEPTH) return readQuote(lines, at, depth);
  return readParagraph(lines, at, depth);
}

/** A fence that is not closed yet runs to the end: the answer is still arriving. */
function readFence(lines: readonly string[], at: number): [Block, number] {
  const fence = FENCE.exec(lines[at]!)![1]!;
  let end = at + 1;
  while (end < lines.length && !closes(lines[end]!, fence)) end++;
  return [{ tag: 'pre', text: lines.slice(at + 1, end).join('\n') }, end + 1];
}

function closes(line: string, fence: string): boolean {
  const bare = line.trim();
  return bare.length >= fence.length && bare === fence[0]!.repeat(bare.length);
}

function readList(lines: readonly string[], at: number, tag: 'ul' | 'ol'): [Block, number] {
  const pattern = tag === 'ul' ? BULLET : NUMBERED;
  const start = tag === 'ol' ? Number(NUMBERED.exec(lines[at]!)![1]) : 1;
  const items: string[] = [];
  let end = at;
  for (; end < lines.length; end++) {
    const line = lines[end]!;
    const item = pattern.exec(line);
    if (item) items.push(item.at(-1)!);
    else if (line.trim() === '') {
      // A blank line between two items does not end the list.
      if (!pattern.test(lines[end + 1] ?? '')) break;
    } else if (/^ {2,}/.test(line)) items[items.length - 1] += `\n${line.trimStart()}`;
    else break;
  }
  return [{ tag, start, items: items.map((item) => parseInline(item)) }, end];
}

function readQuote(lines: readonly string[], at: number, depth: number): [Block, number] {
  let end = at;
  const inner: string[] = [];
  for (; end < lines.length; end++) {
    const match = QUOTE.exec(lines[end]!);
    if (!match) break;
    inner.push(match[1]!);
  }
  return [{ tag: 'blockquote', blocks: parseMarkdown(inner.join('\n'), depth + 1) }, end];
}

function readParagraph(lines: readonly string[], at: number, depth: number): [Block, number] {
  let end = at + 1;
  while (end < lines.length && lines[end]!.trim() !== '' && !startsBlock(lines[end]!, depth)) end++;
  return [{ tag: 'p', children: parseInline(lines.slice(at, end).join('\n')) }, end];
}

function startsBlock(line: string, depth: number): boolean {
  const patterns = [FENCE, HEADING, BULLET, NUMBERED, ...(depth < MAX_DEPTH ? [QUOTE] : [])];
  return patterns.some((pattern) => pattern.test(line));
}

const INLINE = new RegExp(
  [
    '(?<ticks>`+)(?<code>.+?)(?<!`)\\k<ticks>(?!`)',
    '\\*\\*(?=\\S)(?<strong>.+?)(?<=\\S)\\*\\*',
    '~~(?=\\S)(?<del>.+?)(?<=\\S)~~',
    '\\*(?=[^\\s*])(?<star>[^*]+?)(?<=\\S)\\*',
    '(?<![\\p{L}\\p{N}_])_(?=[^\\s_])(?<under>[^_]+?)(?<=\\S)_(?![\\p{L}\\p{N}_])',
    '\\[(?<label>[^\\]\\n]+)\\]\\((?<href>[^()\\s]+)\\)',
  ].join('|'),
  'gsu',
);

function parseInline(text: string): Inline[] {
  if (text.length > MAX_INLINE) return [text];
  const out: Inline[] = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    const element = toElement(match.groups!);
    if (!element) continue;
    if (match.index > from) out.push(text.slice(from, match.index));
    out.push(element);
    from = match.index + match[0].length;
  }
  if (from < text.length) out.push(text.slice(from));
  return out;
}

function toElement(groups: Record<string, string | undefined>): InlineElement | undefined {
  const { code, strong, del, star, under, label, href } = groups;
  if (code !== undefined) return { tag: 'code', children: [code] };
  if (strong !== undefined) return { tag: 'strong', children: parseInline(strong) };
  if (del !== undefined) return { tag: 'del', children: parseInline(del) };
  const em = star ?? under;
  if (em !== undefined) return { tag: 'em', children: parseInline(em) };
  const safe = safeLink(href!);
  return safe === undefined ? undefined : { tag: 'a', href: safe, children: parseInline(label!) };
}

/** Relative links would point into this server and script links would run here; both stay text. */
function safeLink(href: string): string | undefined {
  if (!URL.canParse(href)) return undefined;
  const url = new URL(href);
  return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url.href : undefined;
}
