/** Works batches off in the background, several at once, from where they stopped. */

import type { BatchEnd, BatchQueue, ClaimedBatch } from '@steelyard/storage';
import { ClaimedJobs } from '../background/claimed-jobs.ts';
import type { LowPriorityGate } from '../background/low-priority-gate.ts';
import { answerLine, unansweredLine, type Answered } from './answer-line.ts';
import { isProblem, parseLine, type BatchLine } from './batch-line.ts';
import { checkInput, type InputRules } from './check-input.ts';
import { readLines } from './read-lines.ts';

/** Batches worked on at once. */
const MAX_BATCHES = 4;

export interface RunnerOptions {
  readonly gate: LowPriorityGate;
  readonly limits: InputRules['limits'];
  /** Names of the models that answer at an endpoint. */
  readonly models: (endpoint: string) => Promise<(name: string) => boolean>;
  readonly answer: (batch: ClaimedBatch, body: unknown, signal: AbortSignal) => Promise<Answered>;
  readonly onError: (error: unknown) => void;
}

interface Work {
  readonly batch: ClaimedBatch;
  /** Aborts when nothing more of it is to be computed here. */
  readonly stop: AbortController;
  /** What it shall end as when it stops before its lines are through; absent: another server may go on. */
  end?: Exclude<BatchEnd, 'completed'>;
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
      most: MAX_BATCHES,
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
    const { limits, models } = this.#options;
    const { id, endpoint } = batch;
    const serves = await models(endpoint);
    const verdict = await checkInput(await queue.input(batch.inputDigest), { endpoint, limits, serves });
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
      const leave = await this.#options.gate.enter(signal);
      if (!leave) break;
      const answering = this.#answer(work, number, line).finally(() => {
        under.delete(answering);
        leave();
      });
      // Seen to below; meanwhile a failure must not be nobody's.
      answering.catch(() => work.stop.abort());
      under.add(answering);
    }
    await Promise.all(under);
  }

  async #answer(work: Work, number: number, line: BatchLine): Promise<void> {
    const { batch, stop } = work;
    const { custom_id: customId, body } = line;
    const ask = (given: unknown, signal: AbortSignal) => this.#options.answer(batch, given, signal);
    const result = await answerLine({ number, customId, body }, ask, stop.signal);
    if (!result) return;
    const status = await this.#queue.record(batch.id, result);
    if (status === 'cancelling') this.#end(work, 'cancelled');
  }

  /** Lines that nobody will answer any more say so in the error file. */
  async #giveUp(work: Work, end: Exclude<BatchEnd, 'completed'>): Promise<void> {
    for await (const { number, line } of this.#unanswered(work)) {
      await this.#queue.record(work.batch.id, unansweredLine(number, line.custom_id, `batch_${end}`));
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
