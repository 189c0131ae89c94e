/** The turns so far, and what may be sent next. No page and no network here. */

export interface Turn {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

export class Conversation {
  readonly #turns: Turn[] = [];

  get turns(): readonly Turn[] {
    return this.#turns;
  }

  get isEmpty(): boolean {
    return this.#turns.length === 0;
  }

  /** @returns false when there is nothing to ask: the text is blank */
  ask(text: string): boolean {
    const content = text.trim();
    if (content === '') return false;
    this.#turns.push({ role: 'user', content });
    return true;
  }

  /** A stopped answer counts as far as it got; an empty one leaves its question to be asked again. */
  answer(content: string): void {
    if (content !== '') this.#turns.push({ role: 'assistant', content });
  }

  /** Takes an unanswered question back, so that it can be edited or sent again. */
  takeBack(): string | undefined {
    if (this.#turns.at(-1)?.role !== 'user') return undefined;
    return this.#turns.pop()!.content;
  }

  clear(): void {
    this.#turns.length = 0;
  }
}
