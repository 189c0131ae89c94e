/** How many cores this process may use: two threads of one core share its vector units, so that more would not pay. */

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

const SYSTEM = '/sys/devices/system/cpu';

/** Numbers of a list as Linux writes it: `0-3,8`. */
function parseList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .flatMap((part) => {
      const [first = 0, last = first] = part.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    });
}

/** Of the processors that it may run on, where the system tells (Linux); else what it says can run at once. */
export function physicalCores(
  read = (path: string): string => readFileSync(path, 'utf8'),
  usable = availableParallelism(),
): number {
  try {
    const allowed = /^Cpus_allowed_list:\s*(\S+)$/m.exec(read('/proc/self/status'))?.[1] ?? '';
    const cores = parseList(allowed).map((cpu) => read(`${SYSTEM}/cpu${cpu}/topology/thread_siblings_list`));
    return Math.max(1, Math.min(usable, new Set(cores).size));
  } catch {
    return usable;
  }
}
