/** Puts turns on the page. Text becomes text nodes and elements are made one by one; HTML is never parsed. */

import { parseMarkdown, type Block, type Inline } from './markdown.ts';

export function userMessage(text: string): HTMLElement {
  const element = message('user', 'You');
  element.append(text);
  return element;
}

/** An answer that grows; drawn at most once per frame, whatever rate the pieces come at. */
export class AnswerView {
  readonly element = message('assistant', 'Assistant');
  #text = '';
  #thoughts: Thoughts | undefined;
  #frame: number | undefined;
  readonly #onDraw: () => void;

  constructor(onDraw: () => void) {
    this.#onDraw = onDraw;
    this.element.setAttribute('aria-busy', 'true');
  }

  get text(): string {
    return this.#text;
  }

  append(piece: string): void {
    this.#text += piece;
    this.#frame ??= requestAnimationFrame(() => this.#draw());
  }

  /** A piece of the thoughts ahead of the answer: open while they come, folded once it begins. */
  think(piece: string): void {
    this.#thoughts ??= makeThoughts();
    this.#thoughts.text.append(piece);
    this.#frame ??= requestAnimationFrame(() => this.#draw());
  }

  /** @param note a quiet line below, such as why the answer ends here */
  finish(note?: string): void {
    this.#draw();
    this.element.removeAttribute('aria-busy');
    if (note === undefined) return;
    const line = document.createElement('p');
    line.className = 'note';
    line.append(note);
    this.element.append(line);
  }

  #draw(): void {
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    this.#frame = undefined;
    const blocks = parseMarkdown(this.#text).map(toBlock);
    const thoughts = this.#thoughts;
    if (thoughts && blocks.length > 0 && !thoughts.folded) {
      thoughts.folded = true;
      thoughts.element.open = false;
    }
    // What stays in place keeps its state: a person may have unfolded it.
    for (const old of [...this.element.children]) if (old !== thoughts?.element) old.remove();
    if (thoughts && !thoughts.element.isConnected) this.element.append(thoughts.element);
    this.element.append(...blocks);
    this.#onDraw();
  }
}

interface Thoughts {
  readonly element: HTMLDetailsElement;
  readonly text: HTMLElement;
  folded: boolean;
}

function makeThoughts(): Thoughts {
  const element = document.createElement('details');
  const summary = document.createElement('summary');
  const text = document.createElement('div');
  element.className = 'thoughts';
  element.open = true;
  summary.append('Thoughts');
  element.append(summary, text);
  return { element, text, folded: false };
}

function message(kind: 'user' | 'assistant', speaker: string): HTMLElement {
  const element = document.createElement('article');
  element.className = `message ${kind}`;
  element.setAttribute('aria-label', speaker);
  return element;
}

function toBlock(block: Block): HTMLElement {
  const element = document.createElement(block.tag);
  switch (block.tag) {
    case 'hr':
      break;
    case 'pre': {
      const code = document.createElement('code');
      code.append(block.text);
      // Wide code scrolls, so the keyboard must reach it.
      element.tabIndex = 0;
      element.append(code);
      break;
    }
    case 'blockquote':
      element.append(...block.blocks.map(toBlock));
      break;
    case 'ul':
    case 'ol':
      if (block.tag === 'ol') (element as HTMLOListElement).start = block.start;
      for (const item of block.items) {
        const line = document.createElement('li');
        line.append(...item.map(toInline));
        element.append(line);
      }
      break;
    default:
      element.append(...block.children.map(toInline));
  }
  return element;
}

function toInline(inline: Inline): Node {
  if (typeof inline === 'string') return document.createTextNode(inline);
  const element = document.createElement(inline.tag);
  if (element instanceof HTMLAnchorElement && inline.href !== undefined) {
    element.href = inline.href;
    element.target = '_blank';
    element.rel = 'noopener noreferrer';
  }
  element.append(...inline.children.map(toInline));
  return element;
}
