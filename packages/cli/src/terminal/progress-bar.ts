/** A transfer's progress on one terminal line: bar, bytes, rate, time left. Without a terminal, a line per tenth. */

import { formatBytes, formatDuration, formatRate } from './format.ts';
import type { Output } from './output.ts';
import type { Style } from './style.ts';

/** Rates are taken over this much of the past, so that they follow the link and do not flicker. */
const WINDOW_MS = 5000;
const REDRAW_MS = 100;
const BAR_WIDTH = 24;

interface Mark {
  readonly at: number;
  readonly bytes: number;
}

export class ProgressBar {
  readonly #out: Output;
  readonly #style: Style;
  readonly #now: () => number;
  #marks: Mark[] = [];
  #drawnAt = -Infinity;
  #drawn = false;
  #tenth = -1;

  constructor(out: Output, style: Style, now: () => number = () => performance.now()) {
    this.#out = out;
    this.#style = style;
    this.#now = now;
  }

  /** `total` undefined: the sender does not say how much it sends. */
  update(label: string, done: number, total: number | undefined): void {
    const at = this.#now();
    // Going back is a new transfer.
    if (done < (this.#marks.at(-1)?.bytes ?? 0)) this.#restart();
    this.#marks.push({ at, bytes: done });
    while (this.#marks.length > 2 && at - (this.#marks[0] as Mark).at > WINDOW_MS) this.#marks.shift();
    if (!this.#out.isTTY) return this.#plainLine(label, done, total);
    const complete = total !== undefined && done >= total;
    if (at - this.#drawnAt < REDRAW_MS && !complete) return;
    this.#drawnAt = at;
    this.#drawn = true;
    this.#out.write(`\r\u001b[K${this.line(label, done, total)}`);
  }

  /** The line as drawn, cut to the terminal's width. */
  line(label: string, done: number, total: number | undefined): string {
    const rate = this.#rate();
    const amount = total === undefined ? formatBytes(done) : `${formatBytes(done)} of ${formatBytes(total)}`;
    const left =
      total === undefined || rate <= 0 ? '' : `  ${formatDuration(((total - done) / rate) * 1000)} left`;
    const facts = `  ${amount}${rate > 0 ? `  ${formatRate(rate)}` : ''}${left}`;
    const bar = total === undefined ? '' : `  ${this.#bar(total === 0 ? 1 : done / total)}`;
    const columns = (this.#out.columns ?? 80) - 1;
    const room = columns - facts.length - (bar ? BAR_WIDTH + 7 : 0);
    if (room >= 8) return `${shorten(label, room)}${bar}${facts}`;
    return shorten(facts.trim(), columns);
  }

  /** Removes the line, so that ordinary text may follow. */
  clear(): void {
    if (this.#drawn) this.#out.write('\r\u001b[K');
    this.#drawn = false;
  }

  #restart(): void {
    this.#marks = [];
    this.#drawnAt = -Infinity;
    this.#tenth = -1;
  }

  #rate(): number {
    const [first, last] = [this.#marks[0], this.#marks.at(-1)];
    if (!first || !last || last.at - first.at < 1) return 0;
    return ((last.bytes - first.bytes) / (last.at - first.at)) * 1000;
  }

  #bar(share: number): string {
    const full = Math.min(BAR_WIDTH, Math.floor(share * BAR_WIDTH));
    const percent = `${Math.min(100, Math.floor(share * 100))}%`.padStart(4);
    return `${this.#style.green('█'.repeat(full))}${this.#style.dim('░'.repeat(BAR_WIDTH - full))} ${percent}`;
  }

  #plainLine(label: string, done: number, total: number | undefined): void {
    const tenth = total ? Math.floor((done / total) * 10) : 0;
    if (tenth === this.#tenth) return;
    this.#tenth = tenth;
    const amount = total === undefined ? '' : ` of ${formatBytes(total)}`;
    this.#out.write(`${label}: ${formatBytes(done)}${amount}${total ? ` (${tenth * 10}%)` : ''}\n`);
  }
}

function shorten(text: string, room: number): string {
  const characters = [...text];
  return characters.length <= room ? text : `${characters.slice(0, Math.max(0, room - 1)).join('')}…`;
}
