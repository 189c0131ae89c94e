/** The hashes of a file, fed as its bytes pass by, and their comparison with what a source promised. */

import { createHash, type Hash } from 'node:crypto';
import { NetworkError } from '@steelyard/core';
import type { PlannedFile } from './pull-plan.ts';

type Promised = Pick<PlannedFile, 'path' | 'size' | 'sha256' | 'gitSha1'>;

export class Digests {
  readonly #sha256 = createHash('sha256');
  readonly #git: Hash | undefined;
  #bytes = 0;

  constructor(promised: Promised) {
    // Git hashes a header with the length in front of the bytes, so the length must be known.
    const withGit =
      promised.sha256 === undefined && promised.gitSha1 !== undefined && promised.size !== undefined;
    this.#git = withGit ? createHash('sha1').update(`blob ${promised.size}\0`) : undefined;
  }

  get bytes(): number {
    return this.#bytes;
  }

  update(chunk: Uint8Array): void {
    this.#sha256.update(chunk);
    this.#git?.update(chunk);
    this.#bytes += chunk.length;
  }

  /**
   * Ends the hashing.
   * @returns the SHA-256 in hex
   * @throws MismatchError when length or hash are not the promised ones
   */
  finish(promised: Promised, from: string): string {
    const sha256 = this.#sha256.digest('hex');
    const git = this.#git?.digest('hex');
    const where = `${promised.path} from ${from}`;
    if (promised.size !== undefined && this.#bytes !== promised.size) {
      throw new MismatchError(`${where}: ${this.#bytes} bytes came, ${promised.size} were promised; ${NEXT}`);
    }
    if (promised.sha256 !== undefined && sha256 !== promised.sha256) {
      throw new MismatchError(`${where}: its SHA-256 is ${sha256}, ${promised.sha256} was promised; ${NEXT}`);
    }
    if (git !== undefined && git !== promised.gitSha1) {
      throw new MismatchError(`${where}: its git hash is ${git}, ${promised.gitSha1} was promised; ${NEXT}`);
    }
    return sha256;
  }
}

const NEXT = 'it was altered or damaged on its way and is not kept; try again, or another source';

/** The bytes are not the promised ones. */
export class MismatchError extends NetworkError {}
