/** A file inside a package, whatever the archive: what choosing, joining and fetching need of it. */

import type { Readable } from 'node:stream';
import type { NamedFile } from './model-files.ts';

export interface PackageEntry extends NamedFile {
  readonly path: string;
  /** Bytes when unpacked, as the archive declares and its reader enforces. */
  readonly size: number;
  /** Lower-case hex, when the package states it. */
  readonly sha256?: string | undefined;
  /** Package file and entry, for messages. */
  readonly from: string;
  open(): Promise<Readable>;
}
