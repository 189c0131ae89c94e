/** What the test asks of the page, and what the page reports. */

export interface Plan {
  readonly backends: readonly BackendPlan[];
  /** Folders below /golden/ with the GGUF files of each. */
  readonly goldens: readonly {
    readonly architecture: string;
    readonly variant: string;
    readonly files: readonly string[];
  }[];
  /** A file below /models/ and the tokens to feed it. */
  readonly large?: { readonly file: string; readonly tokens: readonly number[] };
}

export interface BackendPlan {
  readonly threads: number;
  /** Said to be the model's: it decides which addresses the kernels have. */
  readonly weightBytes: number;
  /** Bytes of a state that is allocated first, so that all else lies above it. */
  readonly below: number;
}

export interface Report {
  /** What went wrong. */
  readonly error?: string;
  readonly isolated?: boolean;
  /** Of the backends. */
  readonly descriptions?: readonly string[];
  readonly rows?: readonly GoldenRow[];
  /** Logits of the last token, by backend. */
  readonly large?: readonly (readonly number[])[];
  /** Of the file read as a Blob, as an error relative to its golden. */
  readonly blobError?: number;
}

export interface GoldenRow {
  readonly backend: string;
  readonly golden: string;
  readonly file: string;
  readonly prefill: number;
  readonly decode: number;
}
