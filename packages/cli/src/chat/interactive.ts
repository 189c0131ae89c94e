/** Chat on a terminal: the loop of prompt, command or answer, and what Ctrl-C means at each moment. */

import { RequestError } from '@steelyard/core';
import type { LanguageModel } from '@steelyard/engine';
import type { CommandContext } from '../context.ts';
import { EXIT_INTERRUPTED, UsageError, describeError } from '../errors.ts';
import { LineEditor } from '../terminal/line-editor.ts';
import { sanitise } from '../terminal/sanitise.ts';
import { answerLine } from './answer-line.ts';
import type { Answer, Conversation, Show } from './conversation.ts';
import { MessageAssembler } from './multi-line.ts';
import { runSlashCommand } from './slash-commands.ts';

const PROMPT = '> ';
const CONTINUED = '… ';

export class InteractiveChat {
  readonly #context: CommandContext;
  readonly #conversation: Conversation;
  readonly #openModel: (name: string) => Promise<LanguageModel>;
  readonly #assembler = new MessageAssembler();
  readonly #editor: LineEditor;

  /** The context's stdin and stdout must be terminals. */
  constructor(
    context: CommandContext,
    conversation: Conversation,
    openModel: (name: string) => Promise<LanguageModel>,
  ) {
    this.#context = context;
    this.#conversation = conversation;
    this.#openModel = openModel;
    this.#editor = new LineEditor(context.stdin, context.stdout as unknown as NodeJS.WritableStream);
  }

  /** Returns the exit code when the person leaves. */
  async run(): Promise<number> {
    const { info } = this.#conversation.model;
    const { style } = this.#context;
    this.#context.print(`${style.bold(info.name)} ${style.dim(`on ${info.backend}; /help for commands`)}`);
    try {
      return await this.#loop();
    } finally {
      this.#editor.close();
    }
  }

  async #loop(): Promise<number> {
    let interrupted = false;
    for (;;) {
      const read = await this.#editor.read(this.#assembler.pending ? CONTINUED : PROMPT);
      if (read.type === 'end') {
        this.#context.print();
        return 0;
      }
      if (read.type === 'interrupt') {
        const idle = read.empty && !this.#assembler.pending;
        if (idle && interrupted) return EXIT_INTERRUPTED;
        this.#assembler.reset();
        interrupted = idle;
        if (idle) this.#dim('Ctrl-C again, Ctrl-D or /exit to leave.');
        continue;
      }
      interrupted = false;
      if (await this.#takeLine(read.text)) return 0;
    }
  }

  /** True when it asked to leave. */
  async #takeLine(line: string): Promise<boolean> {
    const isCommand = !this.#assembler.pending && /^\/[a-z]*(\s|$)/.test(line);
    const message = isCommand ? line : this.#assembler.push(line);
    if (message === undefined || message.trim() === '') return false;
    try {
      const outcome = isCommand ? await this.#command(message) : await this.#answer(message);
      return outcome === 'exit';
    } catch (error) {
      this.#context.print(this.#context.style.red(this.#explain(error)));
      return false;
    }
  }

  async #command(line: string): Promise<'exit' | undefined> {
    const outcome = await this.#editor.during(
      () => undefined,
      () =>
        runSlashCommand(line, this.#conversation, {
          print: (text) => this.#context.print(text),
          openModel: this.#openModel,
        }),
    );
    if (outcome === 'exit') return 'exit';
    if (outcome === 'answer') await this.#answer(undefined);
    return undefined;
  }

  /** Streams the answer to a message, or to the last one again. */
  async #answer(message: string | undefined): Promise<undefined> {
    const stop = new AbortController();
    const { stdout, style } = this.#context;
    let begun = false;
    let thinking = false;
    const show: Show = (text, kind) => {
      if (!begun) stdout.write('\r\u001b[K');
      begun = true;
      if (thinking && kind === 'text') stdout.write('\n\n');
      thinking = kind === 'reasoning';
      stdout.write(thinking ? style.dim(sanitise(text)) : sanitise(text));
    };
    stdout.write(style.dim('…'));
    let answer: Answer;
    try {
      answer = await this.#editor.during(
        () => stop.abort(),
        () =>
          message === undefined
            ? this.#conversation.regenerate(show, stop.signal)
            : this.#conversation.ask(message, show, stop.signal),
      );
    } finally {
      stdout.write(begun ? '\n' : '\r\u001b[K');
    }
    this.#dim(answerLine(answer));
    this.#context.print();
  }

  /** Mistakes of the person at the prompt are told as they are; failures as everywhere. */
  #explain(error: unknown): string {
    const mistake = error instanceof UsageError || error instanceof RequestError;
    return mistake ? sanitise(error.message) : describeError(error, 'chat');
  }

  #dim(text: string): void {
    this.#context.print(this.#context.style.dim(text));
  }
}
