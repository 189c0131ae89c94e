/**
 * The bytes of an unfinished download, and what is needed to know that a server still speaks of the same file. Bytes
 * are appended in order, so whatever ends the process leaves a correct beginning.
 */

import { createReadStream } from 'node:fs';
import { open, readFile, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { Digests } from '../digests.ts';
import { writeFailure } from '../failures.ts';
import type { PlannedFile } from '../pull-plan.ts';

/** A strong ETag or a date: what `If-Range` may carry. */
export interface Validator {
  readonly etag?: string;
  readonly lastModified?: string;
}

export class PartialFile {
  readonly path: string;
  readonly #file: PlannedFile;
  readonly #folder: string;
  #handle: FileHandle | undefined;
  #digests: Digests;
  #validator: Validator | undefined;

  private constructor(path: string, folder: string, file: PlannedFile) {
    this.path = path;
    this.#folder = folder;
    this.#file = file;
    this.#digests = new Digests(file);
  }

  /** Opens what an earlier try left, hashing it once, or begins. `onBytes` counts what is hashed. */
  static async open(
    path: string,
    folder: string,
    file: PlannedFile,
    onBytes: (count: number) => void,
    signal?: AbortSignal,
  ): Promise<PartialFile> {
    const partial = new PartialFile(path, folder, file);
    partial.#handle = await open(path, 'a+');
    try {
      await partial.#takeUp(onBytes, signal);
    } catch (error) {
      await partial.close();
      throw error;
    }
    return partial;
  }

  async #takeUp(onBytes: (count: number) => void, signal: AbortSignal | undefined): Promise<void> {
    const file = this.#file;
    this.#validator = await readValidator(`${this.path}.json`);
    const size = (await this.#handle?.stat())?.size ?? 0;
    if (size === 0) return;
    const mayResume =
      this.#validator !== undefined || file.sha256 !== undefined || file.gitSha1 !== undefined;
    if (!mayResume || (file.size !== undefined && size > file.size)) return this.restart();
    const stream = createReadStream(this.path, { highWaterMark: 1 << 20, signal });
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      this.#digests.update(chunk);
      onBytes(chunk.length);
    }
  }

  /** Bytes here and hashed. */
  get bytes(): number {
    return this.#digests.bytes;
  }

  get validator(): Validator | undefined {
    return this.#validator;
  }

  /** Forgets the bytes; the next are the first. */
  async restart(): Promise<void> {
    await this.#handle?.truncate(0);
    this.#digests = new Digests(this.#file);
    await this.setValidator(undefined);
  }

  async setValidator(validator: Validator | undefined): Promise<void> {
    this.#validator = validator;
    // Not synced: lost or torn it only costs the resume, and the connection must not wait for the disk.
    if (validator) await writeFile(`${this.path}.json`, JSON.stringify(validator));
    else await rm(`${this.path}.json`, { force: true });
  }

  /** @throws CapacityError when the disk is full; what was written before stays */
  async append(chunk: Uint8Array, need?: number): Promise<void> {
    const handle = this.#handle;
    if (!handle) throw new Error(`${this.path} is closed`);
    let at = 0;
    try {
      while (at < chunk.length) {
        const { bytesWritten } = await handle.write(chunk, at, chunk.length - at);
        this.#digests.update(chunk.subarray(at, at + bytesWritten));
        at += bytesWritten;
      }
    } catch (error) {
      throw await writeFailure(error, this.#folder, this.#file.path, need);
    }
  }

  /** @returns SHA-256 in hex @throws MismatchError */
  finish(from: string): string {
    return this.#digests.finish(this.#file, from);
  }

  /** Closes; with `remove`, nothing is left. */
  async close(options: { remove?: boolean } = {}): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
    if (options.remove) {
      await rm(this.path, { force: true });
      await rm(`${this.path}.json`, { force: true });
    }
  }
}

async function readValidator(path: string): Promise<Validator | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (typeof value !== 'object' || value === null) return undefined;
    const { etag, lastModified } = value as Partial<Record<keyof Validator, unknown>>;
    if (typeof etag === 'string') return { etag };
    return typeof lastModified === 'string' ? { lastModified } : undefined;
  } catch {
    return undefined;
  }
}
