/** A place to get a model from, with every part of its text form checked; nothing here touches network or disk. */

/** Repository of the Hugging Face hub, or of what `HF_ENDPOINT` names. */
export interface HubSource {
  readonly kind: 'hf';
  /** `owner/name`. */
  readonly repo: string;
  /** Branch, tag or commit. */
  readonly revision: string;
  /** A file of the repository, or a quantisation such as `Q4_K_M`. */
  readonly select?: string;
}

/** One file by address; `sha256` comes from a `#sha256=` fragment. */
export interface UrlSource {
  readonly kind: 'https';
  readonly url: string;
  readonly sha256?: string;
}

/** A file or folder of this machine. */
export interface FileSource {
  readonly kind: 'file';
  readonly path: string;
}

/** A package of the machine's configured npm registry or pip index. */
export interface PackageSource {
  readonly kind: 'npm' | 'pypi';
  readonly package: string;
  readonly version?: string;
  /** A file of the package, or a quantisation. */
  readonly select?: string;
}

/** A repository of an OCI registry; `ollama` differs in defaults only. */
export interface RegistrySource {
  readonly kind: 'oci' | 'ollama';
  /** Host and port. */
  readonly registry: string;
  readonly repository: string;
  /** Tag, or `sha256:` digest. */
  readonly reference: string;
}

export type Source = HubSource | UrlSource | FileSource | PackageSource | RegistrySource;
