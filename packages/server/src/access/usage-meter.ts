/**
 * Counts tokens by day, project, key, model and kind, and writes the counters about once a second: a killed process loses the
 * last second of them, and no answer waits for them.
 */

import type { Records, UsageKind, UsageQuery, UsageRow } from '@steelyard/storage';
import type { Caller } from './caller.ts';

const FLUSH_MS = 1_000;

export interface Used {
  readonly model: string;
  /** Default `completions`. */
  readonly kind?: UsageKind;
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

export class UsageMeter {
  readonly #records: () => Promise<Pick<Records, 'usage'>>;
  readonly #onError: (error: unknown) => void;
  readonly #now: () => Date;
  #counters = new Map<string, UsageRow>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    records: () => Promise<Pick<Records, 'usage'>>,
    onError: (error: unknown) => void,
    now = (): Date => new Date(),
  ) {
    this.#records = records;
    this.#onError = onError;
    this.#now = now;
  }

  record({ project, keyId }: Caller, used: Used): void {
    const day = dayOf(this.#now());
    const { model, kind = 'completions' } = used;
    const id = JSON.stringify([day, project, keyId, model, kind]);
    const {
      requests = 0,
      inputTokens = 0,
      cachedTokens = 0,
      outputTokens = 0,
    } = this.#counters.get(id) ?? {};
    this.#counters.set(id, {
      ...{ day, project, model, kind, key: keyId ?? '' },
      requests: requests + 1,
      inputTokens: inputTokens + used.inputTokens,
      cachedTokens: cachedTokens + used.cachedTokens,
      outputTokens: outputTokens + used.outputTokens,
    });
    this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS).unref();
  }

  /** Writes what was counted. What cannot be written now is kept for the next time. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  /**
   * What was used, by model, with what is not written yet.
   * @param take gets it before anything more is counted
   */
  async totals(query: UsageQuery, take: (rows: readonly ModelTotal[]) => void): Promise<void> {
    const { usage } = await this.#records();
    // Nothing is written between the two: what the database does not have then is here, and only that.
    const reading = this.#writing
      .then(() => this.#write())
      .then(async () => {
        const written = await usage.totals(query);
        take([...written, ...[...this.#counters.values()].filter((row) => matches(row, query))]);
      });
    this.#writing = reading.catch(() => undefined);
    return reading;
  }

  async #write(): Promise<void> {
    if (this.#counters.size === 0) return;
    const counters = this.#counters;
    this.#counters = new Map();
    try {
      const { usage } = await this.#records();
      await usage.add([...counters.values()]);
    } catch (error) {
      this.#onError(error);
      for (const [id, row] of counters) this.#counters.set(id, sumOf(row, this.#counters.get(id)));
    }
  }
}

/** Sums of days of one model. */
export type ModelTotal = Pick<UsageRow, 'model' | 'inputTokens' | 'outputTokens'>;

function matches(row: UsageRow, { from, to, project, key, kind }: UsageQuery): boolean {
  const is = (wanted: string | undefined, value: string) => wanted === undefined || wanted === value;
  const inTime = row.day >= from && (to === undefined || row.day < to);
  return inTime && is(project, row.project) && is(key, row.key) && is(kind, row.kind);
}

/** The day in UTC, as the counters have it. */
export function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}

function sumOf(row: UsageRow, more: UsageRow | undefined): UsageRow {
  if (!more) return row;
  return {
    ...row,
    requests: row.requests + more.requests,
    inputTokens: row.inputTokens + more.inputTokens,
    cachedTokens: row.cachedTokens + more.cachedTokens,
    outputTokens: row.outputTokens + more.outputTokens,
  };
}
