/** How many cores this process may use: two threads of one core share its vector units, so that more would not pay. */

import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

const SYSTEM = '/sys/devices/system/cpu';

/** Counted where the system tells (Linux); else what it says can run at once. */
export function physicalCores(): number {
  const usable = availableParallelism();
  try {
    const siblings = readdirSync(SYSTEM)
      .filter((name) => /^cpu\d+$/.test(name))
      .map((name) => readFileSync(`${SYSTEM}/${name}/topology/thread_siblings_list`, 'utf8'));
    return Math.max(1, Math.min(usable, new Set(siblings).size));
  } catch {
    return usable;
  }
}
