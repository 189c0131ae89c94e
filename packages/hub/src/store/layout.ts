/**
 * Where things lie in a store. Blobs are named by their content; a model's folder holds links to blobs under the
 * published names; a manifest is what makes a model exist.
 */

import { createHash } from 'node:crypto';
import { join } from 'node:path';

export class StoreLayout {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  get manifests(): string {
    return join(this.root, 'manifests');
  }
  get models(): string {
    return join(this.root, 'models');
  }
  get blobs(): string {
    return join(this.root, 'blobs');
  }
  get partials(): string {
    return join(this.root, 'partial');
  }
  get locks(): string {
    return join(this.root, 'locks');
  }
  get temporary(): string {
    return join(this.root, 'tmp');
  }

  manifest(name: string): string {
    return join(this.manifests, `${name}.json`);
  }
  model(name: string): string {
    return join(this.models, name);
  }
  blob(sha256: string): string {
    return join(this.blobs, `sha256-${sha256}`);
  }
  /** Bytes of an unfinished download; `key` as from `partialKey`. */
  partial(key: string): string {
    return join(this.partials, key);
  }
  lock(key: string): string {
    return join(this.locks, `${key}.lock`);
  }
}

/** A file name for any text. */
export function keyOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
