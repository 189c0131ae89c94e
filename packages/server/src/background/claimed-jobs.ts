/**
 * Jobs that servers share through their database. A job is claimed for a while by one server at a time, which keeps its
 * claim while it works; what a killed server leaves is claimed by the next.
 */

/** Seconds for which other servers leave a job alone, and milliseconds between two claims of it. */
const CLAIM_SECONDS = 60;
const RENEW_MS = 15_000;
/** Milliseconds between two looks for jobs that another server has left. */
const LOOK_MS = 30_000;

export interface JobSource<Job, Key> {
  /** Jobs worked on at once, as it is now. */
  readonly most: () => number;
  readonly keyOf: (job: Job) => Key;
  /** @param except those that are worked on here already */
  readonly claim: (seconds: number, except: readonly Key[]) => Promise<Job | undefined>;
  /** @returns false when the job is not to go on here */
  readonly renew: (job: Job, seconds: number) => Promise<boolean>;
  /** Ends soon after the signal has aborted. */
  readonly run: (job: Job, stop: AbortController) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

export class ClaimedJobs<Job, Key> {
  readonly #source: JobSource<Job, Key>;
  readonly #stops = new Map<Key, AbortController>();
  readonly #running = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #stopped = false;

  /** Looks for jobs from now on. */
  constructor(source: JobSource<Job, Key>) {
    this.#source = source;
    this.#timer = setInterval(() => this.wake(), LOOK_MS).unref();
    this.wake();
  }

  /** There may be something to do. */
  wake(): void {
    if (!this.#stopped) this.#track(this.#claimAll());
  }

  /** Ends all work; resolves when it has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    for (const stop of this.#stops.values()) stop.abort();
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #track(work: Promise<void>): void {
    const reported = work.catch((error: unknown) => {
      // What was begun stays claimed, and goes on at a later look.
      if (!this.#stopped) this.#source.onError(error);
    });
    this.#running.add(reported);
    void reported.finally(() => this.#running.delete(reported));
  }

  async #claimAll(): Promise<void> {
    const { most, claim, keyOf } = this.#source;
    while (!this.#stopped && this.#stops.size < most()) {
      const job = await claim(CLAIM_SECONDS, [...this.#stops.keys()]);
      // Several looks may be under way at once.
      if (job === undefined || this.#stops.has(keyOf(job))) return;
      this.#track(this.#work(job));
    }
  }

  async #work(job: Job): Promise<void> {
    const { keyOf, run } = this.#source;
    const stop = new AbortController();
    this.#stops.set(keyOf(job), stop);
    if (this.#stopped) stop.abort();
    const renewal = setInterval(() => this.#track(this.#renew(job, stop)), RENEW_MS).unref();
    try {
      await run(job, stop);
    } finally {
      clearInterval(renewal);
      this.#stops.delete(keyOf(job));
    }
    this.wake();
  }

  async #renew(job: Job, stop: AbortController): Promise<void> {
    if (!(await this.#source.renew(job, CLAIM_SECONDS))) stop.abort();
  }
}
