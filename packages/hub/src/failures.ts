/** What the system's errors mean here, in words with numbers. */

import { statfs } from 'node:fs/promises';
import { CapacityError, SteelyardError } from '@steelyard/core';

/** Whether an error of Node's carries one of these codes. */
export function isErrorCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

export function abortedError(): SteelyardError {
  return new SteelyardError('aborted', 'the pull was stopped; run it again to go on where it was');
}

/** @throws SteelyardError with code `aborted` */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError();
}

/** The error to throw for a failed write: a full disk becomes a CapacityError, others stay. */
export async function writeFailure(
  error: unknown,
  folder: string,
  file: string,
  need?: number,
): Promise<unknown> {
  if (!isErrorCode(error, 'ENOSPC', 'EDQUOT', 'EFBIG')) return error;
  const free = await freeBytes(folder);
  const wanted = need === undefined ? '' : `, ${formatSize(need)} more needed`;
  const left = free === undefined ? '' : `, ${formatSize(free)} free`;
  return new CapacityError(
    `${file}: the disk of ${folder} is full (${(error as NodeJS.ErrnoException).code}${wanted}${left}); free some ` +
      'space and run the pull again: what has come so far is kept',
    { cause: error },
  );
}

/** Bytes that this user may still write to the disk of `folder`; undefined where the system does not tell. */
export async function freeBytes(folder: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

/** Bytes for people, in decimal units as disks and hubs count. */
export function formatSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  const value = bytes / 1000 ** power;
  return `${power === 0 ? value : value.toPrecision(value < 1000 ? 3 : 4)} ${units[power] ?? 'B'}`;
}
