/** What the store tells about a model. The manifest files hold the same, less `path`. */

export interface StoredFile {
  /** Relative to the model's folder, with `/` between parts. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

export interface StoredModel {
  /** Unique in the store and safe as a folder name. */
  readonly name: string;
  /** Canonical text of the source, e.g. `hf:owner/repo:Q4_K_M`. */
  readonly source: string;
  /** Absolute path to hand to the reader: a GGUF file (the first of a split one), or a folder of safetensors. */
  readonly path: string;
  readonly files: readonly StoredFile[];
  /** Sum of the sizes of `files`. */
  readonly bytes: number;
  /** SHA-256 of the list of files: two models with equal digests hold equal files. */
  readonly digest: string;
  /** ISO 8601. */
  readonly pulledAt: string;
  /** As the source states it: an SPDX identifier or a name. */
  readonly license?: string;
  /** Facts that the source states: revision, version, base model. */
  readonly metadata?: Readonly<Record<string, string>>;
}
