/** Works batches off in the background, several at once, from where they stopped. */

import type { BatchEnd, BatchQueue, ClaimedBatch } from '@steelyard/storage';
import { ClaimedJobs } from '../background/claimed-jobs.ts';
import type { LowPriorityGate } from '../background/low-priority-gate.ts';
import {
  answerLine,
  CANCELLED,
  EXPIRED,
  isBusy,
  unansweredLine,
  type Answered,
  type Refusal,
  type Refused,
} from './answer-line.ts';
import { isProblem, parseLine, type BatchLine } from './batch-line.ts';
import { checkInput, type InputRules } from './check-input.ts';
import type { ModelOfLine } from './model-of-line.ts';
import { readLines } from './read-lines.ts';

/** Batches worked on at once. */
const MAX_BATCHES = 4;
/** With those that wait for room, in whose place others are worked on. */
const MAX_OPEN = 12;
/** Lines of one batch that are asked at once or wait for room. */
const MAX_LINES = 8;

export interface RunnerOptions {
  readonly gate: LowPriorityGate;
  readonly limits: InputRules['limits'];
  readonly modelOf: (batch: ClaimedBatch) => Promise<ModelOfLine>;
  readonly answer: (batch: ClaimedBatch, body: unknown, signal: AbortSignal) => Promise<Answered | Refused>;
  readonly onError: (error: unknown) => void;
}

interface Work {
  readonly batch: ClaimedBatch;
  /** Aborts when nothing more of it is to be computed here. */
  readonly stop: AbortController;
  /** What it shall end as when it stops before its lines are through; absent: another server may go on. */
  end?: Exclude<BatchEnd, 'completed'>;
  /** Why the lines that are left are not asked: what refused one would refuse them all. */
  refusal?: Refusal;
  /** The line asked last found no room. */
  isHeldUp?: boolean;
}

export class BatchRunner {
  readonly #options: RunnerOptions;
  readonly #queue: BatchQueue;
  readonly #works = new Map<string, Work>();
  readonly #jobs: ClaimedJobs<ClaimedBatch, string>;

  /** Goes on with what is not done, from now on. */
  constructor(queue: BatchQueue, options: RunnerOptions) {
    this.#queue = queue;
    this.#options = options;
    this.#jobs = new ClaimedJobs({
      most: () => this.#most(),
      keyOf: ({ id }) => id,
      claim: (seconds, except) => queue.claim(seconds, except),
      renew: (batch, seconds) => this.#renew(batch, seconds),
      run: (batch, stop) => this.#runUntilLate({ batch, stop }),
      onError: options.onError,
    });
  }

  /** There may be something to do. */
  wake(): void {
    this.#jobs.wake();
  }

  /** The batch was cancelled: what is computed of it stops. */
  cancel(id: string): void {
    this.#end(this.#works.get(id), 'cancelled');
    this.wake();
  }

  stop(): Promise<void> {
    return this.#jobs.stop();
  }

  /** A key of few requests a minute keeps nobody else's batches waiting. */
  #most(): number {
    const heldUp = [...this.#works.values()].filter(({ isHeldUp }) => isHeldUp);
    return Math.min(MAX_BATCHES + heldUp.length, MAX_OPEN);
  }

  async #runUntilLate(work: Work): Promise<void> {
    const { id, expiresAt } = work.batch;
    this.#works.set(id, work);
    const late = Math.max(0, expiresAt * 1000 - Date.now());
    const expiry = setTimeout(() => this.#end(work, 'expired'), late).unref();
    try {
      await this.#run(work);
    } finally {
      clearTimeout(expiry);
      this.#works.delete(id);
    }
  }

  async #renew({ id }: ClaimedBatch, seconds: number): Promise<boolean> {
    const status = await this.#queue.renew(id, seconds);
    if (status === 'cancelling') this.#end(this.#works.get(id), 'cancelled');
    return status !== undefined;
  }

  #end(work: Work | undefined, end: Exclude<BatchEnd, 'completed'>): void {
    if (!work || work.stop.signal.aborted) return;
    work.end = end;
    work.stop.abort();
  }

  async #run(work: Work): Promise<void> {
    const { batch, stop } = work;
    const queue = this.#queue;
    let begun = batch.inProgressAt !== null;
    if (batch.status === 'cancelling') this.#end(work, 'cancelled');
    else if (batch.expiresAt * 1000 <= Date.now()) this.#end(work, 'expired');
    else if (!begun) {
      const verdict = await this.#check(work);
      if (verdict === 'failed') return;
      begun = verdict === 'begun';
    }
    if (begun) await this.#answerAll(work);
    if (!stop.signal.aborted) return queue.finish(batch.id, 'completed');
    if (!work.end) return queue.release(batch.id);
    if (begun) await this.#giveUp(work, work.end);
    await queue.finish(batch.id, work.end);
  }

  async #check(work: Work): Promise<'failed' | 'begun' | 'cancelled'> {
    const { batch } = work;
    const queue = this.#queue;
    const { limits } = this.#options;
    const { id, endpoint } = batch;
    const modelOf = await this.#options.modelOf(batch);
    const verdict = await checkInput(await queue.input(batch.inputDigest), { endpoint, limits, modelOf });
    if (verdict.errors) {
      await queue.fail(id, { object: 'list', data: verdict.errors });
      return 'failed';
    }
    if (await queue.begin(id, verdict)) return 'begun';
    this.#end(work, 'cancelled');
    return 'cancelled';
  }

  async #answerAll(work: Work): Promise<void> {
    const { signal } = work.stop;
    const under: Set<Promise<void>> = new Set();
    for await (const { number, line } of this.#unanswered(work)) {
      while (under.size >= MAX_LINES) await Promise.race(under).catch(() => {});
      if (signal.aborted) break;
      const answering = this.#answer(work, number, line).finally(() => under.delete(answering));
      // Seen to below; meanwhile a failure must not be nobody's.
      answering.catch(() => work.stop.abort());
      under.add(answering);
    }
    await Promise.all(under);
  }

  async #answer(work: Work, number: number, line: BatchLine): Promise<void> {
    const { batch, stop } = work;
    const { custom_id: customId, body } = line;
    const result = work.refusal
      ? unansweredLine(number, customId, work.refusal)
      : await answerLine({ number, customId, body }, (given) => this.#ask(work, given), stop.signal);
    if (!result) return;
    const status = await this.#queue.record(batch.id, result);
    if (status === 'cancelling') this.#end(work, 'cancelled');
  }

  /** Waits for its turn before each try, so that a line that finds no room keeps none. */
  async #ask(work: Work, body: unknown): Promise<Answered | Refused | undefined> {
    const { gate, answer } = this.#options;
    const { signal } = work.stop;
    const leave = await gate.enter(signal);
    if (!leave) return undefined;
    try {
      const answered = await answer(work.batch, body, signal);
      if ('refused' in answered) work.refusal ??= answered.refused;
      const wasHeldUp = work.isHeldUp;
      work.isHeldUp = !('refused' in answered) && isBusy(answered);
      if (work.isHeldUp && !wasHeldUp) this.wake();
      return answered;
    } finally {
      leave();
    }
  }

  /** Lines that nobody will answer any more say so in the error file. */
  async #giveUp(work: Work, end: Exclude<BatchEnd, 'completed'>): Promise<void> {
    const why = end === 'expired' ? EXPIRED : CANCELLED;
    for await (const { number, line } of this.#unanswered(work)) {
      await this.#queue.record(work.batch.id, unansweredLine(number, line.custom_id, why));
    }
  }

  async *#unanswered({ batch }: Work): AsyncGenerator<{ number: number; line: BatchLine }> {
    const { limits } = this.#options;
    const queue = this.#queue;
    const answered = await queue.answered(batch.id);
    for await (const read of readLines(await queue.input(batch.inputDigest), limits.bodyBytes)) {
      if (answered.has(read.number)) continue;
      const line = parseLine(read, batch.endpoint, limits);
      // All lines were good when the batch began.
      if (!isProblem(line)) yield { number: read.number, line };
    }
  }
}
