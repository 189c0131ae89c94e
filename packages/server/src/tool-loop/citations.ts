/**
 * Passages under numbers, and the marks by which an answer cites them: `[1]`, `[1, 3]`. A mark of a passage that there is
 * becomes an annotation where it stood; everything else in brackets is text.
 */

import type { SearchResult } from '../schemas/tool-items.ts';
import type { TextReader, ToolEvent } from './server-tool.ts';

const INSTRUCTION =
  'Where your answer uses a passage, put its number in brackets after the sentence, as in [1]. ' +
  'Say so if the passages do not hold the answer.';

/** A mark, and a space before it, which goes with it. */
const MARK = / ?\[(\d{1,4}(?:, ?\d{1,4})*)\]/;
/** What may become one. */
const BEGUN = /(?: | ?\[[\d, ]{0,60})$/;

export class Citations {
  readonly #passages: SearchResult[] = [];

  /** The number of a passage: the one that it has already, or the next. */
  number(passage: SearchResult): number {
    const known = this.#passages.findIndex(
      ({ file_id, text }) => file_id === passage.file_id && text === passage.text,
    );
    return known >= 0 ? known + 1 : this.#passages.push(passage);
  }

  /** The passages as the model reads them. */
  describe(passages: readonly SearchResult[]): string {
    if (passages.length === 0) return 'No passages were found.';
    const blocks = passages.map(
      (passage) => `[${this.number(passage)}] ${passage.filename}\n${passage.text.trim()}`,
    );
    return `${blocks.join('\n\n')}\n\n${INSTRUCTION}`;
  }

  /** For one text from its beginning. */
  reader(): TextReader {
    let held = '';
    const read = (isEnd: boolean): (string | ToolEvent)[] => {
      if (this.#passages.length === 0) {
        const text = held;
        held = '';
        return [text];
      }
      const parts: (string | ToolEvent)[] = [];
      for (let mark = MARK.exec(held); mark; mark = MARK.exec(held)) {
        const cited = this.#cited(mark[1]!);
        parts.push(held.slice(0, mark.index));
        if (cited) parts.push(...cited);
        else parts.push(mark[0]);
        held = held.slice(mark.index + mark[0].length);
      }
      const keep = isEnd ? undefined : BEGUN.exec(held);
      parts.push(keep ? held.slice(0, keep.index) : held);
      held = keep ? keep[0] : '';
      return parts;
    };
    return {
      push(text) {
        held += text;
        return read(false).filter((part) => part !== '');
      },
      end: () => read(true).filter((part) => part !== ''),
    };
  }

  /** Undefined unless every number is a passage's. */
  #cited(numbers: string): ToolEvent[] | undefined {
    const passages = numbers.split(',').map((number) => this.#passages[Number(number) - 1]);
    if (passages.some((passage) => !passage)) return undefined;
    return passages.map((passage) => {
      const { file_id, filename } = passage!;
      return { type: 'annotation', annotation: { type: 'file_citation', file_id, filename } };
    });
  }
}
