/**
 * Brings one file over HTTP into the partials, going on where an earlier try stopped (Range, guarded by If-Range), and
 * hands it over only when its length and hash are the promised ones.
 * @see RFC 9110, sections 13.1.5 (If-Range) and 14 (range requests)
 */

import { CapacityError, NetworkError } from '@steelyard/core';
import type { Response } from 'undici';
import { MismatchError } from '../digests.ts';
import { formatSize, freeBytes, throwIfAborted } from '../failures.ts';
import type { Origin, PlannedFile, PullContext } from '../pull-plan.ts';
import { TransientError, transportFailure, type HttpClient } from './client.ts';
import { PartialFile, type Validator } from './partial-file.ts';
import { withRetries } from './retry.ts';

export interface DownloadReport {
  /** Bytes of an earlier try that were read again. */
  kept(count: number): void;
  received(count: number): void;
  /** Everything so far was thrown away. */
  restarted(): void;
  size(bytes: number): void;
}

type HttpOrigin = Extract<Origin, { kind: 'http' }>;

/**
 * @param path of the partial file; on success it holds the whole file and is closed
 * @returns SHA-256 in hex and size in bytes
 * @throws NetworkError, CapacityError, or what the origin's `explain` makes of a refusal
 */
export async function download(
  file: PlannedFile & { origin: HttpOrigin },
  path: string,
  client: HttpClient,
  context: PullContext,
  report: DownloadReport,
): Promise<{ sha256: string; size: number }> {
  const { signal, options } = context;
  const partial = await PartialFile.open(
    path,
    context.layout.root,
    file,
    (count) => report.kept(count),
    signal,
  );
  const from = new URL(file.origin.url).host;
  const resumedAt = partial.bytes;
  let remove = false;
  try {
    const transfer = new Transfer(file, partial, client, context, report);
    const retry = { ...options, onNotice: (text: string) => context.notice(text) };
    const fetchAll = (): Promise<void> =>
      withRetries(
        retry,
        () => transfer.run(),
        () => transfer.transferred,
      );
    await fetchAll();
    try {
      return { sha256: partial.finish(from), size: partial.bytes };
    } catch (error) {
      // A wrong hash after going on may be the fault of the old bytes: the file gets one try from its beginning.
      if (!(error instanceof MismatchError) || resumedAt === 0 || transfer.restarts > 0) throw error;
      context.notice(`${file.path}: what an earlier try left does not fit; starting over`);
      await transfer.restart();
      await fetchAll();
      return { sha256: partial.finish(from), size: partial.bytes };
    }
  } catch (error) {
    remove = error instanceof MismatchError;
    throw error;
  } finally {
    await partial.close({ remove });
  }
}

/** The tries for one file; each goes on where the one before stopped. */
class Transfer {
  readonly #file: PlannedFile & { origin: HttpOrigin };
  readonly #partial: PartialFile;
  readonly #client: HttpClient;
  readonly #context: PullContext;
  readonly #report: DownloadReport;
  #size: number | undefined;
  transferred = 0;
  restarts = 0;

  constructor(
    file: PlannedFile & { origin: HttpOrigin },
    partial: PartialFile,
    client: HttpClient,
    context: PullContext,
    report: DownloadReport,
  ) {
    this.#file = file;
    this.#partial = partial;
    this.#client = client;
    this.#context = context;
    this.#report = report;
    this.#size = file.size;
  }

  async restart(): Promise<void> {
    if (this.#partial.bytes > 0) this.restarts++;
    await this.#partial.restart();
    this.#report.restarted();
  }

  async run(): Promise<void> {
    if (this.#size !== undefined && this.#partial.bytes === this.#size && this.#size > 0) return;
    const { origin } = this.#file;
    const offset = this.#partial.bytes;
    const response = await this.#client.get({
      url: origin.url,
      headers: { ...(await origin.headers()), ...rangeHeaders(offset, this.#partial.validator) },
      signal: this.#context.signal,
    });
    if (response.status === 416 && offset > 0) return this.#afterUnsatisfiable(response, offset);
    if (response.status !== 200 && response.status !== 206) throw await refusal(response, origin);
    await this.#begin(response, offset);
    await this.#receive(response);
  }

  /** Checks that what comes joins what is here; otherwise starts over. */
  async #begin(response: Response, offset: number): Promise<void> {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
    const joins = response.status === 206 && Number(range?.[1]) === offset && !this.#changed(response);
    if (response.status === 206 && !joins) {
      await response.body?.cancel();
      await this.restart();
      throw new TransientError(
        `${new URL(this.#file.origin.url).host}: the file changed meanwhile; starting over`,
      );
    }
    if (!joins && offset > 0) await this.restart();
    const length = Number(response.headers.get('content-length') ?? NaN);
    const total = joins ? Number(range?.[2]) : length;
    if (Number.isSafeInteger(total)) await this.#expect(total, response);
    const validator = validatorOf(response);
    if (!joins || this.#partial.validator === undefined) await this.#partial.setValidator(validator);
  }

  #changed(response: Response): boolean {
    const known = this.#partial.validator;
    const now = validatorOf(response);
    return known?.etag !== undefined && now?.etag !== undefined && known.etag !== now.etag;
  }

  async #expect(total: number, response: Response): Promise<void> {
    const { path, size: promised } = this.#file;
    if (promised !== undefined && promised !== total) {
      await response.body?.cancel();
      throw new MismatchError(
        `${path}: the server has ${total} bytes, ${promised} were promised; the file changed at the source, ` +
          'run the pull again',
      );
    }
    this.#size = total;
    this.#report.size(total);
    const free = await freeBytes(this.#context.layout.root);
    const need = total - this.#partial.bytes;
    if (free === undefined || need <= free) return;
    await response.body?.cancel();
    throw new CapacityError(
      `${path} needs ${formatSize(need)} more, but the disk of ${this.#context.layout.root} has ` +
        `${formatSize(free)} free; free some space, or set STEELYARD_HOME to another disk`,
    );
  }

  async #receive(response: Response): Promise<void> {
    const url = new URL(this.#file.origin.url);
    const chunks = (response.body ?? []) as AsyncIterable<Uint8Array>;
    try {
      for await (const chunk of chunks) {
        await this.#store(chunk);
        throwIfAborted(this.#context.signal);
      }
    } catch (error) {
      throwIfAborted(this.#context.signal);
      if (error instanceof NetworkError || error instanceof CapacityError) throw error;
      if (error instanceof Error && 'syscall' in error && 'path' in error) throw error;
      throw transportFailure(error, url);
    }
    if (this.#size !== undefined && this.#partial.bytes < this.#size) {
      throw new TransientError(
        `${url.host}: the connection ended at ${this.#partial.bytes} of ${this.#size} bytes`,
      );
    }
  }

  async #store(chunk: Uint8Array): Promise<void> {
    const after = this.#partial.bytes + chunk.length;
    if (this.#size !== undefined && after > this.#size) {
      throw new MismatchError(
        `${this.#file.path}: more than the promised ${this.#size} bytes came; not kept`,
      );
    }
    await this.#partial.append(
      chunk,
      this.#size === undefined ? undefined : this.#size - this.#partial.bytes,
    );
    this.transferred += chunk.length;
    this.#report.received(chunk.length);
  }

  /** Nothing follows the bytes here: either they are all, or the file shrank. */
  async #afterUnsatisfiable(response: Response, offset: number): Promise<void> {
    await response.body?.cancel();
    const total = /^bytes \*\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1];
    if (Number(total) === offset && (this.#size === undefined || this.#size === offset)) return;
    await this.restart();
    throw new TransientError(
      `${new URL(this.#file.origin.url).host}: the file changed meanwhile; starting over`,
    );
  }
}

function rangeHeaders(offset: number, validator: Validator | undefined): Record<string, string> {
  if (offset === 0) return {};
  const guard = validator?.etag ?? validator?.lastModified;
  // Without a validator only a promised hash tells whether the parts belong together; `PartialFile.open` saw to that.
  return { range: `bytes=${offset}-`, ...(guard === undefined ? {} : { 'if-range': guard }) };
}

/** Weak ETags may not guard ranges. */
function validatorOf(response: Response): Validator | undefined {
  const etag = response.headers.get('etag');
  if (etag !== null && /^"[^"]*"$/.test(etag)) return { etag };
  const lastModified = response.headers.get('last-modified');
  return lastModified === null ? undefined : { lastModified };
}

async function refusal(response: Response, origin: HttpOrigin): Promise<Error> {
  return statusError(response, origin.url, origin.explain);
}

/** The error for an answer that is not a success. `explain` speaks for 401, 403 and 404. */
export async function statusError(
  response: Response,
  address: string,
  explain: (status: number, body: string) => Error,
): Promise<Error> {
  const body = (await response.text().catch(() => '')).slice(0, 500);
  const { status } = response;
  if ([401, 403, 404, 410].includes(status)) return explain(status, body);
  const text = `${new URL(address).host}: answered ${status} ${response.statusText}`.trim();
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    const seconds = Number(response.headers.get('retry-after') ?? NaN);
    return new TransientError(`${text}; try again later`, {
      retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : undefined,
    });
  }
  return new NetworkError(`${text} to ${new URL(address).pathname}; expected the file`);
}
