/**
 * What a source promises before bytes move: which files, how large, with which hashes, and how to get each. Each
 * source in `sources/` makes one; `fetch-file.ts` carries it out.
 */

import type { Readable } from 'node:stream';
import type { PullOptions } from './pull-options.ts';
import type { StoreLayout } from './store/layout.ts';

/** How the bytes of one file come. */
export type Origin =
  | {
      readonly kind: 'http';
      readonly url: string;
      /** Asked for before each try: tokens expire. */
      readonly headers: () => Promise<Readonly<Record<string, string>>>;
      /** Says what an answer of 401, 403 or 404 means here. */
      readonly explain: (status: number, body: string) => Error;
    }
  /** Bytes of this disk: a file, an entry of an archive, several parts in a row. */
  | { readonly kind: 'stream'; readonly open: () => Promise<Readable>; readonly from: string }
  | { readonly kind: 'local'; readonly path: string; readonly link: boolean }
  | { readonly kind: 'text'; readonly text: string };

export interface PlannedFile {
  /** Within the model's folder; checked by `checkRelativePath` before use. */
  readonly path: string;
  /** Bytes, when the source says so. */
  readonly size?: number;
  /** Lower-case hex, when the source promises it. */
  readonly sha256?: string;
  /** Git's blob id, which the hub gives for small files instead. */
  readonly gitSha1?: string;
  readonly origin: Origin;
}

export interface PullPlan {
  /** Name for the store when the user gave none. */
  readonly name: string;
  readonly files: readonly PlannedFile[];
  /** The file to open within the folder, or `.` for the folder itself. */
  readonly open: string;
  readonly license?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What sources and fetching share during one pull. */
export interface PullContext {
  readonly layout: StoreLayout;
  readonly options: PullOptions;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal | undefined;
  /** A folder of this pull alone, removed at its end. */
  readonly temporary: string;
  /** Run at the end of the pull, before `temporary` goes: open archives are closed so. */
  readonly cleanups: (() => void)[];
  notice(text: string): void;
}
