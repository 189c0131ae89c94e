/**
 * Keyboard bytes on their way to the line editor. Bracketed paste (the terminal marks where pasted text begins and
 * ends) lets a paste of several lines arrive as one message: it stands in the line as a short mark, and is put back
 * when the line is read. Single-line pastes go in as if typed. While an answer runs, keys wait, except Ctrl-C.
 */

import { StringDecoder } from 'node:string_decoder';
import { sanitise } from './sanitise.ts';

export const PASTE_ON = '\u001b[?2004h';
export const PASTE_OFF = '\u001b[?2004l';
const BEGIN = '\u001b[200~';
const END = '\u001b[201~';
const CTRL_C = '\u0003';

export class KeyFilter {
  readonly #decoder = new StringDecoder('utf8');
  readonly #pastes = new Map<string, string>();
  readonly #forward: (text: string) => void;
  /** Bytes that may be the start of a mark. */
  #held = '';
  #pasted: string | undefined;
  #waiting = '';
  #onStop: (() => void) | undefined;

  /** `forward` receives what the line editor shall see. */
  constructor(forward: (text: string) => void) {
    this.#forward = forward;
  }

  push(chunk: Buffer | string): void {
    let text = this.#held + (typeof chunk === 'string' ? chunk : this.#decoder.write(chunk));
    this.#held = '';
    while (text) {
      const mark = this.#pasted === undefined ? BEGIN : END;
      const at = text.indexOf(mark);
      if (at < 0) {
        const kept = partialLength(text, mark);
        this.#held = kept > 1 || this.#pasted !== undefined ? text.slice(text.length - kept) : '';
        this.#pass(text.slice(0, text.length - this.#held.length));
        return;
      }
      this.#pass(text.slice(0, at));
      text = text.slice(at + mark.length);
      if (this.#pasted === undefined) this.#pasted = '';
      else this.#endPaste();
    }
  }

  /** Keys wait from now on; Ctrl-C calls `onStop`. */
  hold(onStop: () => void): void {
    this.#onStop = onStop;
  }

  /** Keys pass again, those that waited first. */
  release(): void {
    this.#onStop = undefined;
    const waiting = this.#waiting;
    this.#waiting = '';
    if (waiting) this.#forward(waiting);
  }

  /** The line with its pastes put back. */
  expand(line: string): string {
    let text = line;
    // Latest first: a mark may stand in pasted text only by chance, and is then left alone.
    for (const [mark, pasted] of [...this.#pastes].reverse()) text = text.replace(mark, () => pasted);
    return text;
  }

  #pass(text: string): void {
    if (!text) return;
    if (this.#pasted !== undefined) this.#pasted += text;
    else this.#emit(text);
  }

  #endPaste(): void {
    const text = sanitise((this.#pasted ?? '').replace(/\r\n?/g, '\n')).replace(/\n+$/, '');
    this.#pasted = undefined;
    if (!text.includes('\n')) return this.#emit(text, true);
    const mark = `[paste ${this.#pastes.size + 1}: ${text.split('\n').length} lines]`;
    this.#pastes.set(mark, text);
    this.#emit(mark, true);
  }

  #emit(text: string, pasted = false): void {
    if (!this.#onStop) return this.#forward(text);
    if (!pasted && text.includes(CTRL_C)) {
      this.#waiting = '';
      return this.#onStop();
    }
    this.#waiting += text;
  }
}

/** Length of the longest end of `text` that begins `mark`. */
function partialLength(text: string, mark: string): number {
  for (let n = Math.min(mark.length - 1, text.length); n > 0; n--) {
    if (mark.startsWith(text.slice(text.length - n))) return n;
  }
  return 0;
}
