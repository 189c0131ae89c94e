/** Counts the bytes of a pull over all its files, and how fast they come. */

import type { PullOptions, PullProgress } from './pull-options.ts';

const REPORT_MS = 100;
/** The rate is a mean over this long: short enough to follow the network, long enough to be read. */
const WINDOW_MS = 5_000;

export class ProgressMeter {
  readonly #report: PullOptions['onProgress'];
  readonly #sizes: (number | undefined)[];
  readonly #received: number[];
  readonly #names: readonly string[];
  #samples: { at: number; bytes: number }[] = [];
  /** Bytes that came by transfer; what an earlier try left has no part in the rate. */
  #transferred = 0;
  #reportedAt = -Infinity;
  #last = '';

  constructor(files: readonly { path: string; size?: number }[], report: PullOptions['onProgress']) {
    this.#report = report;
    this.#names = files.map((file) => file.path);
    this.#sizes = files.map((file) => file.size);
    this.#received = files.map(() => 0);
  }

  /** The source has named a size only now. */
  setSize(index: number, size: number): void {
    this.#sizes[index] = size;
  }

  /** Bytes that came just now. */
  add(phase: PullProgress['phase'], index: number, bytes: number): void {
    this.#transferred += bytes;
    this.set(phase, index, (this.#received[index] ?? 0) + bytes);
  }

  /** Bytes that are here, however they came. */
  set(phase: PullProgress['phase'], index: number, bytes: number): void {
    this.#received[index] = bytes;
    this.#send(phase, index);
  }

  done(): void {
    this.#send('done', this.#names.length - 1);
  }

  #send(phase: PullProgress['phase'], fileIndex: number): void {
    if (!this.#report) return;
    const now = performance.now();
    const key = `${phase} ${fileIndex}`;
    if (key === this.#last && now - this.#reportedAt < REPORT_MS) return;
    this.#last = key;
    this.#reportedAt = now;
    const receivedBytes = this.#received.reduce((sum, bytes) => sum + bytes, 0);
    const totalBytes = this.#total();
    const bytesPerSecond = this.#rate(now);
    this.#report({
      phase,
      file: this.#names[fileIndex] ?? '',
      receivedBytes,
      fileIndex,
      fileCount: this.#names.length,
      ...(totalBytes === undefined ? {} : { totalBytes }),
      ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
      ...(totalBytes === undefined || !bytesPerSecond
        ? {}
        : { secondsLeft: Math.max(totalBytes - receivedBytes, 0) / bytesPerSecond }),
    });
  }

  #total(): number | undefined {
    let total = 0;
    for (const size of this.#sizes) {
      if (size === undefined) return undefined;
      total += size;
    }
    return total;
  }

  #rate(now: number): number | undefined {
    this.#samples.push({ at: now, bytes: this.#transferred });
    while (this.#samples.length > 2 && now - (this.#samples[0]?.at ?? now) > WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0];
    if (!first || now - first.at < REPORT_MS) return undefined;
    return ((this.#transferred - first.bytes) * 1000) / (now - first.at);
  }
}
