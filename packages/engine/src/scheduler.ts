/**
 * Composes each step from what runs and waits: sequences that decode first, then chunks of prompts, oldest first, up
 * to a budget of tokens. When pages run out the youngest gives its own back and is computed again later.
 * What runs has a slot of recurrent states, of which there are as many as sequences may run.
 * Sequences run in order of arrival and the oldest is never made to wait, so everything ends.
 *
 * @see Agrawal et al. 2024, arXiv:2403.02310 (chunked prefill beside decode)
 */

import type { PagePool } from './page-pool.ts';
import type { Sequence } from './sequence.ts';

export interface SchedulerLimits {
  /** Tokens per step. */
  readonly maxBatchTokens: number;
  /** Sequences that run at once. */
  readonly maxSequences: number;
  /** Rows of logits per step, at least `maxSequences`. */
  readonly maxRows: number;
}

/** Tokens of one sequence in a step. */
export interface StepPart {
  readonly sequence: Sequence;
  /** First position computed. */
  readonly start: number;
  readonly count: number;
  /** Logits are wanted of this many of its last tokens. */
  readonly rows: number;
  /** Those of its last tokens that are guesses; what they follow is computed too. */
  readonly guesses?: readonly number[];
}

/** What may follow a sequence that decodes: at most `room` tokens, or none. */
export type Guess = (sequence: Sequence, room: number) => readonly number[];

/** Rows that a step of decoding may have for guesses to be made: with more, a row costs as much as a step's share of it. */
const MOST_GUESSED_ROWS = 16;

/** What is left of a step's budget. */
interface Room {
  tokens: number;
  rows: number;
}

export class Scheduler {
  readonly #pool: PagePool;
  readonly #limits: SchedulerLimits;
  /** Oldest first; those that gave their pages back stand before those that never ran. */
  readonly #waiting: Sequence[] = [];
  /** Oldest first. */
  readonly #running: Sequence[] = [];
  readonly #freeSlots: number[];
  #preemptions = 0;

  constructor(pool: PagePool, limits: SchedulerLimits) {
    this.#pool = pool;
    this.#limits = limits;
    this.#freeSlots = Array.from({ length: limits.maxSequences }, (_, i) => limits.maxSequences - 1 - i);
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  get runningCount(): number {
    return this.#running.length;
  }

  /** Times that a running sequence gave its pages back. */
  get preemptions(): number {
    return this.#preemptions;
  }

  add(sequence: Sequence): void {
    this.#waiting.push(sequence);
  }

  /** Takes a sequence out, finished or aborted; its pages are free at once. */
  remove(sequence: Sequence): void {
    for (const list of [this.#waiting, this.#running]) {
      const at = list.indexOf(sequence);
      if (at >= 0) list.splice(at, 1);
    }
    this.#release(sequence);
  }

  /** Its pages and its slot. */
  #release(sequence: Sequence): void {
    sequence.release();
    if (sequence.stateSlot >= 0) this.#freeSlots.push(sequence.stateSlot);
    sequence.stateSlot = -1;
  }

  /** The next step; empty when there is nothing to do. Pages for every part are held. */
  compose(guess?: Guess): StepPart[] {
    const parts: StepPart[] = [];
    const room = { tokens: this.#limits.maxBatchTokens, rows: this.#limits.maxRows };
    const decoding: Sequence[] = [];
    const prefilling: Sequence[] = [];
    for (const sequence of this.#running) (sequence.pending === 1 ? decoding : prefilling).push(sequence);
    for (const sequence of decoding) this.#schedule(sequence, room, parts);
    for (const sequence of prefilling) this.#schedule(sequence, room, parts);
    // Nobody gives pages back any more, so what the parts fill may be found by those admitted now.
    for (const { sequence, count } of parts) sequence.publish(count);
    this.#admit(room, parts);
    return guess ? this.#withGuesses(parts, room, guess) : parts;
  }

  /** Guesses take what is left when everybody has been served. */
  #withGuesses(parts: readonly StepPart[], room: Room, guess: Guess): StepPart[] {
    let rows = MOST_GUESSED_ROWS - parts.filter(({ rows }) => rows > 0).length;
    return parts.map((part) => {
      const { sequence, count } = part;
      if (count !== 1 || sequence.pending !== 1 || part.rows !== 1) return part;
      const guesses = guess(sequence, Math.min(rows, room.tokens, room.rows));
      if (guesses.length === 0 || !sequence.reserve(1 + guesses.length)) return part;
      rows -= guesses.length;
      room.tokens -= guesses.length;
      room.rows -= guesses.length;
      return { ...part, count: 1 + guesses.length, rows: 1 + guesses.length, guesses };
    });
  }

  #admit(room: Room, parts: StepPart[]): void {
    while (room.tokens > 0 && room.rows > 0 && this.#running.length < this.#limits.maxSequences) {
      const sequence = this.#waiting[0];
      if (!sequence) return;
      sequence.adoptPrefix();
      // All its tokens and one more must fit, else it would soon give its pages back. Alone it always fits.
      const needed = sequence.pagesFor(sequence.pending + (this.#running.length > 0 ? 1 : 0));
      if (needed > this.#pool.availableCount) {
        sequence.release();
        return;
      }
      this.#waiting.shift();
      this.#running.push(sequence);
      sequence.stateSlot = this.#freeSlots.pop() as number;
      sequence.admit();
      this.#schedule(sequence, room, parts);
      sequence.publish(parts.at(-1)?.count ?? 0);
    }
  }

  #schedule(sequence: Sequence, room: Room, parts: StepPart[]): void {
    if (!this.#running.includes(sequence)) return; // gave its pages back a moment ago
    const count = countFor(sequence, room);
    if (count < 1) return;
    while (!sequence.reserve(count)) {
      const youngest = this.#running.at(-1) as Sequence;
      this.#preempt(youngest, room, parts);
      if (youngest === sequence) return;
    }
    const rows = sequence.rowsOf(count);
    parts.push({ sequence, start: sequence.computed, count, rows });
    room.tokens -= count;
    room.rows -= rows;
  }

  #preempt(sequence: Sequence, room: Room, parts: StepPart[]): void {
    const at = parts.findIndex((part) => part.sequence === sequence);
    for (const { count, rows } of at < 0 ? [] : parts.splice(at, 1)) {
      room.tokens += count;
      room.rows += rows;
    }
    this.#running.splice(this.#running.indexOf(sequence), 1);
    this.#release(sequence);
    this.#waiting.unshift(sequence);
    this.#preemptions++;
  }
}

/** Tokens of a sequence that the room allows: as many as pend, fewer where tokens or rows of logits run short. */
function countFor(sequence: Sequence, room: Room): number {
  const count = Math.min(sequence.pending, room.tokens);
  const excess = sequence.rowsOf(count) - room.rows;
  return excess > 0 ? count - excess : count;
}
