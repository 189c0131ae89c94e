/**
 * A model's text, as it streams in, to content, reasoning and tool calls. However the text is cut, the same comes out.
 * A call that cannot be read is content, marks and all: nothing that a model wrote is lost but the marks and the white
 * space around sections.
 */

import type { CallScanner } from './call-scanner.ts';
import type { ToolCall } from './read-calls.ts';
import type { ReplyFormat, ReplySection } from './reply-format.ts';

export type ReplyEvent =
  | { readonly type: 'content' | 'reasoning'; readonly text: string }
  /** More of a call that is being written, whose first piece has the name; what it holds comes again as `call`. */
  | { readonly type: 'callDelta'; readonly index: number; readonly name?: string; readonly arguments: string }
  /** The `index`-th call of the answer. */
  | ({ readonly type: 'call'; readonly index: number } & ToolCall);

export class ReplyParser {
  readonly #sections: readonly ReplySection[];
  readonly #single: boolean;
  readonly #tools: readonly unknown[];
  #section: ReplySection | undefined;
  #buffer = '';
  /** White space that shows only if something follows it. */
  #space = '';
  #strip = false;
  #begun = false;
  /** In the only answer or call, in which nothing is a mark but the section's own at the very end. */
  #last = false;
  /** Of the section's calls, and how much of the buffer it has had. */
  #scanner: CallScanner | undefined;
  #scanned = 0;
  /** Calls so far, those that were begun and came to nothing included. */
  #calls = 0;
  /** Calls that the scanner has told of in this section. */
  #begunCalls = 0;

  /** @param prompt its end: a template may have opened the section that the answer begins in */
  constructor({ sections, single = false, tools = [] }: ReplyFormat, prompt = '') {
    this.#sections = sections;
    this.#single = single;
    this.#tools = tools;
    const end = prompt.trimEnd();
    const open = sections.find(({ leads, prompt: mark, open }) => !leads && end.endsWith(mark ?? open));
    if (open) this.#enter(open.kind === 'header' ? { ...open, open: '' } : open);
  }

  /** Within reasoning: what comes next is not for the reader of the answer. */
  get reasoning(): boolean {
    return this.#section?.kind === 'reasoning';
  }

  push(text: string): ReplyEvent[] {
    this.#buffer += text;
    const events: ReplyEvent[] = [];
    while (this.#advance(events));
    return events;
  }

  /** The answer has ended; what was held back comes out. */
  end(): ReplyEvent[] {
    const events: ReplyEvent[] = [];
    if (this.#last) this.#dropClose();
    if (isWhole(this.#section)) {
      this.#scan(this.#buffer.length, events);
      this.#close(this.#section, this.#take(this.#buffer.length), '', events);
    } else this.#show(this.#take(this.#buffer.length), events);
    if (this.#space !== '' && !this.#strip && !this.reasoning) this.#emit(this.#space, events);
    this.#space = '';
    return events;
  }

  /** One mark further; false when more text is needed. */
  #advance(events: ReplyEvent[]): boolean {
    const section = this.#section;
    if (!section && (this.#single || !this.#begun) && this.#lead()) return true;
    if (this.#single && !section && !this.#last) {
      const opens = this.#opens();
      if (opens === undefined) return false;
      this.#last = !opens;
    }
    if (this.#last) {
      const close = this.#section?.close ?? '';
      const shown = this.#buffer.length - heldEnd(this.#buffer, close);
      if (isWhole(section)) this.#scan(shown, events);
      else this.#show(this.#take(shown), events);
      return false;
    }
    const marks = section ? [section.close ?? []].flat() : this.#inner().map(({ open }) => open);
    const [at, mark] = firstOf(this.#buffer, marks);
    if (mark === undefined) {
      const shown = this.#buffer.length - held(this.#buffer, marks);
      if (isWhole(section)) this.#scan(shown, events);
      else this.#show(this.#take(shown), events);
      return false;
    }
    if (isWhole(section)) this.#scan(at, events);
    const before = this.#take(at);
    this.#take(mark.length);
    if (isWhole(section)) this.#close(section, before, mark, events);
    else {
      this.#show(before, events);
      this.#enter(section ? undefined : this.#inner().find(({ open }) => open === mark));
    }
    return true;
  }

  /** Whether a section begins next; undefined while that cannot be told. */
  #opens(): boolean | undefined {
    const start = this.#buffer.trimStart();
    if (this.#sections.some(({ open }) => start.startsWith(open))) return true;
    return this.#sections.some(({ open }) => open.startsWith(start)) ? undefined : false;
  }

  /** The mark that the answer ends with is none of its text. */
  #dropClose(): void {
    const text = this.#buffer.trimEnd();
    const close = this.#section?.close;
    if (close !== undefined && text.endsWith(close)) this.#buffer = text.slice(0, -close.length);
  }

  #inner(): readonly ReplySection[] {
    return this.#sections.filter(({ leads }) => !leads);
  }

  /** Enters a section that the answer's first character opens. */
  #lead(): boolean {
    const start = this.#buffer.trimStart();
    const lead = this.#sections.find(({ leads, open }) => leads && start.startsWith(open));
    if (lead) this.#enter(lead);
    return lead !== undefined;
  }

  /** Tells of calls in the first `length` characters of the buffer, which the section is not done with. */
  #scan(length: number, events: ReplyEvent[]): void {
    if (!this.#scanner || length <= this.#scanned) return;
    const pieces = this.#scanner.push(this.#buffer.slice(this.#scanned, length));
    this.#scanned = length;
    for (const { call, ...piece } of pieces) {
      this.#begunCalls = call + 1;
      events.push({ type: 'callDelta', index: this.#calls + call, ...piece });
    }
  }

  #close(section: ReplySection, text: string, mark: string, events: ReplyEvent[]): void {
    if (section.next && mark !== '') {
      this.#enter(section.next(section.open + text));
      return;
    }
    const calls = section.read?.(text, this.#tools);
    const first = this.#calls;
    this.#calls += Math.max(calls?.length ?? 0, this.#begunCalls);
    this.#leave();
    if (calls) {
      this.#begun = true;
      this.#space = '';
      this.#strip = true;
      events.push(...calls.map((call, i) => ({ type: 'call' as const, index: first + i, ...call })));
    } else {
      this.#show(`${section.leads ? '' : section.open}${text}${mark}`, events);
    }
  }

  #leave(): void {
    this.#section = undefined;
    this.#scanner = undefined;
    this.#scanned = 0;
    this.#begunCalls = 0;
  }

  #enter(section: ReplySection | undefined): void {
    this.#leave();
    this.#section = section;
    this.#scanner = section?.scan?.();
    this.#last = this.#single && (section?.kind === 'content' || section?.kind === 'calls');
    // What may turn out to be no call is part of the text around it.
    if (isWhole(section)) return;
    this.#space = '';
    this.#strip = true;
  }

  #take(length: number): string {
    const text = this.#buffer.slice(0, length);
    this.#buffer = this.#buffer.slice(length);
    return text;
  }

  #show(text: string, events: ReplyEvent[]): void {
    const all = this.#space + text;
    const shown = (this.#strip ? all.trimStart() : all).trimEnd();
    if (shown === '') {
      this.#space = all;
      return;
    }
    this.#space = all.slice(all.trimEnd().length);
    this.#strip = false;
    this.#begun = true;
    this.#emit(shown, events);
  }

  #emit(text: string, events: ReplyEvent[]): void {
    const type = this.reasoning ? 'reasoning' : 'content';
    events.push({ type, text });
  }
}

/** Read when it has come whole. */
function isWhole(section: ReplySection | undefined): section is ReplySection {
  return section?.kind === 'calls' || section?.kind === 'header';
}

function firstOf(text: string, marks: readonly string[]): [at: number, mark: string | undefined] {
  let [best, found]: [number, string | undefined] = [Infinity, undefined];
  for (const mark of marks) {
    const at = text.indexOf(mark);
    if (at >= 0 && at < best) [best, found] = [at, mark];
  }
  return [best, found];
}

/** The same of one mark, whole or begun, with the white space around it. */
function heldEnd(text: string, mark: string): number {
  if (mark === '') return 0;
  const shown = text.trimEnd();
  return shown.endsWith(mark) ? text.length - shown.length + mark.length : held(text, [mark]);
}

/** Length of the longest end of the text that may be the beginning of a mark. */
function held(text: string, marks: readonly string[]): number {
  const longest = Math.max(0, ...marks.map(({ length }) => length - 1));
  for (let length = Math.min(longest, text.length); length > 0; length--)
    if (marks.some((mark) => mark.startsWith(text.slice(-length)) && mark.length > length)) return length;
  return 0;
}
