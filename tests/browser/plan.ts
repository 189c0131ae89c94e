/** What the test asks of the page, and what the page reports. */

export interface Plan {
  readonly threads: readonly number[];
  /** Folders below /golden/ with the GGUF files of each. */
  readonly goldens: readonly {
    readonly architecture: string;
    readonly variant: string;
    readonly files: readonly string[];
  }[];
  /** A file below /models/ and the tokens to feed it. */
  readonly large?: { readonly file: string; readonly tokens: readonly number[] };
}

export interface Report {
  /** What went wrong. */
  readonly error?: string;
  readonly isolated?: boolean;
  /** Of the backend, by threads asked for. */
  readonly descriptions?: readonly string[];
  readonly rows?: readonly GoldenRow[];
  /** Logits of the last token, by threads. */
  readonly large?: readonly (readonly number[])[];
  /** Of the file read as a Blob, as an error relative to its golden. */
  readonly blobError?: number;
}

export interface GoldenRow {
  readonly threads: number;
  readonly golden: string;
  readonly file: string;
  readonly prefill: number;
  readonly decode: number;
}
