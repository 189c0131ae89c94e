/**
 * Joins lines into messages. A line ending in a backslash continues; text between a line that begins with `"""`
 * and one that ends with it is one message, line breaks and all.
 */

const FENCE = '"""';

export class MessageAssembler {
  #lines: string[] = [];
  #fenced = false;

  /** True while a message has begun and not ended. */
  get pending(): boolean {
    return this.#fenced || this.#lines.length > 0;
  }

  /** The message that this line completes, if it completes one. */
  push(line: string): string | undefined {
    if (this.#fenced) return this.#pushFenced(line);
    if (!this.pending && line.trimStart().startsWith(FENCE)) {
      this.#fenced = true;
      const rest = line.trimStart().slice(FENCE.length);
      return this.#pushFenced(rest, true);
    }
    // Two backslashes at the end are one that does not continue.
    if (line.endsWith('\\') && !line.endsWith('\\\\')) {
      this.#lines.push(line.slice(0, -1));
      return undefined;
    }
    return this.#take(line.endsWith('\\\\') ? line.slice(0, -1) : line);
  }

  /** Forgets the message that has begun. */
  reset(): void {
    this.#lines = [];
    this.#fenced = false;
  }

  #pushFenced(line: string, first = false): string | undefined {
    const trimmed = line.trimEnd();
    if (trimmed.endsWith(FENCE)) {
      const last = trimmed.slice(0, -FENCE.length);
      this.#fenced = false;
      // A closing fence on a line of its own adds no line.
      if (last === '' && !first) return this.#take();
      return this.#take(last);
    }
    if (!(first && line === '')) this.#lines.push(line);
    return undefined;
  }

  #take(...last: string[]): string {
    const message = [...this.#lines, ...last].join('\n');
    this.#lines = [];
    return message;
  }
}
