/** What the native backend finds on this machine: for `doctor`, and for choosing a backend. */

import { availableParallelism } from 'node:os';
import { RequestError } from '@steelyard/core';
import { loadAddon } from './addon.ts';
import { physicalCores } from './node/physical-cores.ts';

export interface CpuAvailability {
  readonly available: boolean;
  /** Why not. */
  readonly reason?: string;
  readonly level?: string;
  readonly threads: number;
  /** Instruction sets of the processor that levels are chosen by. */
  readonly features: readonly string[];
  /** What the processor has and the operating system does not let this process use, with the reason. */
  readonly refused?: string;
}

/** More threads than cores would only wait for each other at barriers, but tests may ask for them. */
const MAX_THREADS = 256;

/** One to a core, or as `STEELYARD_THREADS` says, up to the logical processors. */
export function defaultThreads(): number {
  const wanted = Number(process.env['STEELYARD_THREADS']);
  const logical = availableParallelism();
  if (Number.isInteger(wanted) && wanted > 0) return Math.min(wanted, logical);
  return physicalCores();
}

/** @throws RequestError outside 1 to 256 */
export function checkThreads(threads: number): number {
  if (Number.isInteger(threads) && threads >= 1 && threads <= MAX_THREADS) return threads;
  throw new RequestError(`threads must be 1 to ${MAX_THREADS}, got ${threads}`, 'threads');
}

/** Whether the native backend works here, for `doctor` and for choosing a backend. */
export function cpuAvailability(): CpuAvailability {
  const threads = defaultThreads();
  const loaded = loadAddon();
  if ('reason' in loaded) return { available: false, reason: loaded.reason, threads, features: [] };
  const features = loaded.addon.features().split(' ').filter(Boolean);
  const level = loaded.addon.level(process.env['STEELYARD_CPU'] ?? '');
  const refused = loaded.addon.refused();
  if (level) return { available: true, level, threads, features, ...(refused !== '' && { refused }) };
  const reason = `this processor has no ${process.env['STEELYARD_CPU']} (STEELYARD_CPU)`;
  return { available: false, reason, threads, features };
}
