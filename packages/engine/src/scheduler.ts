/**
 * Composes each step from what runs and waits: decode rows first, then chunks of prompts, oldest first, up to a
 * budget of tokens. When pages run out the youngest sequence gives its own back and is computed again later.
 * The oldest is never made to wait, so everything ends.
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
  /** Rows of logits per step. */
  readonly maxRows: number;
}

/** Tokens of one sequence in a step. */
export interface StepPart {
  readonly sequence: Sequence;
  /** First position computed. */
  readonly start: number;
  readonly count: number;
  /** Logits wanted: of all its tokens, of the last, or of none (a chunk that does not end the prompt). */
  readonly rows: 'all' | 'last' | 'none';
}

export class Scheduler {
  readonly #pool: PagePool;
  readonly #limits: SchedulerLimits;
  readonly #waiting: Sequence[] = [];
  /** Oldest first. */
  readonly #running: Sequence[] = [];
  preemptions = 0;

  constructor(pool: PagePool, limits: SchedulerLimits) {
    this.#pool = pool;
    this.#limits = limits;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  get runningCount(): number {
    return this.#running.length;
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
    sequence.release();
  }

  /** The next step; empty when there is nothing to do. Pages for every part are held. */
  compose(): StepPart[] {
    const parts: StepPart[] = [];
    const room = { tokens: this.#limits.maxBatchTokens, rows: this.#limits.maxRows };
    for (const sequence of this.#running.filter((s) => s.pending === 1))
      this.#schedule(sequence, room, parts);
    for (const sequence of this.#running.filter((s) => s.pending > 1)) this.#schedule(sequence, room, parts);
    this.#admit(room, parts);
    return parts;
  }

  #admit(room: Room, parts: StepPart[]): void {
    while (room.tokens > 0 && room.rows > 0 && this.#running.length < this.#limits.maxSequences) {
      const sequence = this.#waiting[0];
      if (!sequence) return;
      sequence.adoptPrefix();
      // The whole prompt and one token more must fit, else it would soon give its pages back.
      if (sequence.pagesFor(sequence.pending + 1) > this.#pool.availableCount && this.#running.length > 0) {
        sequence.release();
        return;
      }
      this.#waiting.shift();
      this.#running.push(sequence);
      this.#schedule(sequence, room, parts);
    }
  }

  #schedule(sequence: Sequence, room: Room, parts: StepPart[]): void {
    if (!this.#running.includes(sequence)) return; // gave its pages back a moment ago
    let count = Math.min(sequence.pending, room.tokens);
    if (sequence.allRows && sequence.computed < sequence.promptLength) count = Math.min(count, room.rows);
    if (count < 1 || room.rows < 1) return;
    while (!sequence.reserve(count)) {
      const youngest = this.#running.at(-1) as Sequence;
      this.#preempt(youngest, room, parts);
      if (youngest === sequence) return;
    }
    const wantsAll = sequence.allRows && sequence.computed < sequence.promptLength;
    const rows = wantsAll ? 'all' : count === sequence.pending ? 'last' : 'none';
    parts.push({ sequence, start: sequence.computed, count, rows });
    room.tokens -= count;
    room.rows -= rows === 'all' ? count : rows === 'last' ? 1 : 0;
  }

  #preempt(sequence: Sequence, room: Room, parts: StepPart[]): void {
    const at = parts.findIndex((part) => part.sequence === sequence);
    if (at >= 0) room.tokens += (parts.splice(at, 1)[0] as StepPart).count;
    this.#running.splice(this.#running.indexOf(sequence), 1);
    sequence.release();
    this.#waiting.unshift(sequence);
    this.preemptions++;
  }
}

interface Room {
  tokens: number;
  rows: number;
}
