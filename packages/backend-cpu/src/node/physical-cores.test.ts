/** Threads by default: one to a core that the process may run on. */

import { expect, it } from 'vitest';
import { physicalCores } from './physical-cores.ts';

/** A machine of 8 logical processors, two to a core: n and n + 4. */
function machine(allowed: string) {
  return (path: string): string => {
    if (path === '/proc/self/status') return `Name:\tnode\nCpus_allowed_list:\t${allowed}\nThreads:\t1\n`;
    const cpu = Number(/cpu(\d+)\/topology\/thread_siblings_list$/.exec(path)?.[1]);
    return `${cpu % 4},${(cpu % 4) + 4}\n`;
  };
}

it.each([
  ['0-7', 4],
  ['0,4', 1],
  ['0-1,4-5', 2],
  ['6', 1],
  ['1-5', 4],
])('of processors %s counts %i cores', (allowed, cores) => {
  expect(physicalCores(machine(allowed), 8)).toBe(cores);
});

it('takes what can run at once where the system does not tell', () => {
  const silent = (path: string): string => {
    if (path === '/proc/self/status') return 'Name:\tnode\n';
    throw new Error(`ENOENT: ${path}`);
  };
  expect(physicalCores(silent, 6)).toBe(6);
});
