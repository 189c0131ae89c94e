/** What a pull takes and what it reports. */

import type { Store } from './store-interface.ts';

export interface PullProgress {
  /**
   * `resolve`: asking the source; `download`: bytes from outside; `extract`: bytes from a package or file of this
   * disk; `verify`: hashing what an earlier try left; `done`: once, at the end.
   */
  readonly phase: 'resolve' | 'download' | 'verify' | 'extract' | 'done';
  /** Name of the file in work; empty while resolving. */
  readonly file: string;
  /** Bytes here, over all files of the pull; includes what was here before. */
  readonly receivedBytes: number;
  /** Over all files; absent while unknown. */
  readonly totalBytes?: number;
  /** Mean of the last seconds. */
  readonly bytesPerSecond?: number;
  readonly secondsLeft?: number;
  /** From 0. */
  readonly fileIndex: number;
  readonly fileCount: number;
}

export interface PullOptions {
  readonly store: Store;
  /** Called at most about ten times a second, and at each change of file or phase. */
  readonly onProgress?: (progress: PullProgress) => void;
  /** Things worth a line: a retry, another process that is waited for, a source that is skipped. */
  readonly onNotice?: (text: string) => void;
  /** Stops the pull; what has come stays for the next try. */
  readonly signal?: AbortSignal;
  /** Name in the store; default from the source. An existing model of that name and another source is refused. */
  readonly name?: string;
  /** For `file:` sources: hard links instead of copies where the file system can. Default false. */
  readonly link?: boolean;
  /** Tries in a row without a byte of progress before giving up. Default 5. */
  readonly attempts?: number;
  /** First pause between tries; doubles up to 30 s. Default 500 ms. */
  readonly retryDelayMs?: number;
  /** Read for HF_TOKEN, HF_ENDPOINT and the proxy variables, and handed to pip and npm. Default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}
