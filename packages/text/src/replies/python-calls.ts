/** Calls written as Python: `[f(a=1, b='x'), g()]`, arguments by name, values literals. Of Llama 4, Llama 3.2 and Gemma. */

import type { ToolCall } from './read-calls.ts';

/** What stands around calls: a list, a block of code, a `print`. */
const AROUND = /^\s*(?:```(?:tool_code|python)?\s*)?([^]*?)\s*(?:```\s*)?$/;

export function readPythonCalls(text: string): readonly ToolCall[] | undefined {
  const [, code = ''] = AROUND.exec(text) ?? [];
  try {
    const calls = new Reader(code).calls();
    return calls.length > 0 ? calls : undefined;
  } catch (error) {
    if (error instanceof NotACall) return undefined;
    throw error;
  }
}

class NotACall extends Error {}

/** Deeper values are no arguments that a tool takes. */
const DEPTH = 64;

const ESCAPES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    n: '\n',
    t: '\t',
    r: '\r',
    b: '\b',
    f: '\f',
    '0': '\0',
    '\n': '',
    '\\': '\\',
    "'": "'",
    '"': '"',
  }),
);

class Reader {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  calls(): ToolCall[] {
    const listed = this.#skip('[');
    const calls: ToolCall[] = [];
    while (!(listed && this.#skip(']'))) {
      calls.push(this.#call());
      // In a list commas part the calls, in code the ends of lines do.
      if (this.#skip(',') || !listed) {
        if (!listed && this.#ended()) return calls;
        continue;
      }
      this.#expect(']');
      break;
    }
    if (!this.#ended()) throw new NotACall();
    return calls;
  }

  #call(): ToolCall {
    const name = this.#match(/[A-Za-z_][\w.-]*/y);
    this.#expect('(');
    if (name === 'print' && this.#peek(/[A-Za-z_][\w.-]*\s*\(/y)) {
      const inner = this.#call();
      this.#expect(')');
      return inner;
    }
    const args = this.#list(')', () => {
      const key = this.#match(/[A-Za-z_]\w*/y);
      this.#expect('=');
      return [key, this.#value()] as const;
    });
    return { name, arguments: JSON.stringify(Object.fromEntries(args)) };
  }

  #value(): unknown {
    if (++this.#depth > DEPTH) throw new NotACall();
    const value = this.#anyValue();
    this.#depth--;
    return value;
  }

  #anyValue(): unknown {
    if (this.#skip('[')) return this.#list(']', () => this.#value());
    if (this.#skip('(')) return this.#list(')', () => this.#value());
    if (this.#skip('{')) {
      const entries = this.#list('}', () => {
        const key = this.#string();
        this.#expect(':');
        return [key, this.#value()] as const;
      });
      return Object.fromEntries(entries);
    }
    if (this.#peek(/['"]/y)) return this.#string();
    const word = this.#match(/[-+]?[\w.]+(?:(?<=[eE])[-+]\d+)?/y);
    // JSON's names come from models as well.
    if (word === 'True' || word === 'true') return true;
    if (word === 'False' || word === 'false') return false;
    if (word === 'None' || word === 'null') return null;
    const number = Number(word.replaceAll('_', ''));
    if (!/^[-+]?[\d.]/.test(word) || !Number.isFinite(number)) throw new NotACall();
    return number;
  }

  #list<T>(close: string, item: () => T): T[] {
    const items: T[] = [];
    while (!this.#skip(close)) {
      items.push(item());
      if (!this.#skip(',')) {
        this.#expect(close);
        break;
      }
    }
    return items;
  }

  #string(): string {
    const quote = this.#match(/"""|'''|"|'/y);
    let text = '';
    for (;;) {
      if (this.#at >= this.#text.length) throw new NotACall();
      if (this.#text.startsWith(quote, this.#at)) {
        this.#at += quote.length;
        return text;
      }
      const escaped = this.#text[this.#at] === '\\';
      text += escaped ? this.#escape() : (this.#text[this.#at++] as string);
    }
  }

  #escape(): string {
    const [whole, hex, wide, plain = ''] = this.#exec(/\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|([^]))/y);
    const code = hex ?? wide;
    if (code !== undefined) return String.fromCharCode(parseInt(code, 16));
    const known = ESCAPES.get(plain);
    // Python keeps the backslash of what is no escape.
    return known ?? whole;
  }

  #exec(pattern: RegExp): RegExpExecArray {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (!found) throw new NotACall();
    this.#at = pattern.lastIndex;
    return found;
  }

  #match(pattern: RegExp): string {
    this.#space();
    return this.#exec(pattern)[0];
  }

  #peek(pattern: RegExp): boolean {
    this.#space();
    pattern.lastIndex = this.#at;
    return pattern.test(this.#text);
  }

  #skip(mark: string): boolean {
    this.#space();
    const there = this.#text.startsWith(mark, this.#at);
    if (there) this.#at += mark.length;
    return there;
  }

  #expect(mark: string): void {
    if (!this.#skip(mark)) throw new NotACall();
  }

  #ended(): boolean {
    this.#space();
    return this.#at === this.#text.length;
  }

  #space(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++;
  }
}
