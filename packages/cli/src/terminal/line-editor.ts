/** Reads lines from a terminal with editing, history by arrows, and pastes that stay whole. */

import { PassThrough } from 'node:stream';
import { createInterface, type Interface } from 'node:readline';
import type { Input } from '../context.ts';
import { KeyFilter, PASTE_OFF, PASTE_ON } from './paste.ts';

export type Read =
  | { readonly type: 'line'; readonly text: string }
  /** Ctrl-C; `empty` when there was nothing to discard. */
  | { readonly type: 'interrupt'; readonly empty: boolean }
  /** Ctrl-D, or the terminal is gone. */
  | { readonly type: 'end' };

export class LineEditor {
  readonly #stdin: Input;
  readonly #stdout: NodeJS.WritableStream;
  readonly #keys: KeyFilter;
  readonly #readline: Interface;
  readonly #arrived: Read[] = [];
  readonly #onData: (chunk: Buffer | string) => void;
  #reader: ((read: Read) => void) | undefined;
  #ended = false;

  constructor(stdin: Input, stdout: NodeJS.WritableStream) {
    this.#stdin = stdin;
    this.#stdout = stdout;
    const input = Object.assign(new PassThrough(), {
      isTTY: true,
      setRawMode: (on: boolean) => this.#raw(on),
    });
    this.#keys = new KeyFilter((text) => void input.write(text));
    this.#onData = (chunk) => this.#keys.push(chunk);
    this.#readline = createInterface({
      input,
      output: stdout,
      terminal: true,
      historySize: 1000,
      prompt: '',
    });
    this.#readline.on('line', (line) => this.#deliver({ type: 'line', text: this.#keys.expand(line) }));
    this.#readline.on('SIGINT', () => this.#interrupted());
    this.#readline.on('close', () => this.#end());
    stdin.on('data', this.#onData);
    stdin.on('end', () => this.#end());
    stdout.write(PASTE_ON);
  }

  /** Shows the prompt and waits. One call at a time. */
  read(prompt: string): Promise<Read> {
    const early = this.#arrived.shift();
    if (early) return Promise.resolve(early);
    if (this.#ended) return Promise.resolve({ type: 'end' });
    return new Promise((resolve) => {
      this.#reader = resolve;
      this.#readline.setPrompt(prompt);
      this.#readline.prompt();
    });
  }

  /** Runs `work` while keys wait; Ctrl-C calls `onStop`. */
  async during<T>(onStop: () => void, work: () => Promise<T>): Promise<T> {
    this.#keys.hold(onStop);
    try {
      return await work();
    } finally {
      this.#keys.release();
    }
  }

  /** Gives the terminal back as it was. */
  close(): void {
    this.#stdin.off('data', this.#onData);
    this.#stdin.pause();
    if (!this.#ended) this.#readline.close();
    this.#stdout.write(PASTE_OFF);
  }

  #raw(on: boolean): void {
    this.#stdin.setRawMode?.(on);
  }

  #interrupted(): void {
    const empty = this.#readline.line === '';
    this.#readline.write(null, { ctrl: true, name: 'e' });
    this.#readline.write(null, { ctrl: true, name: 'u' });
    this.#stdout.write('\n');
    this.#deliver({ type: 'interrupt', empty });
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#deliver({ type: 'end' });
  }

  #deliver(read: Read): void {
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader) reader(read);
    else this.#arrived.push(read);
  }
}
