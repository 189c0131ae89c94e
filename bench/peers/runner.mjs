/** A child process that answers each line with the milliseconds that the command took. */

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** @throws when the child ends before it is ready */
export async function startRunner(command, args, env = {}) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${command} ${args.join(' ')} ended early`);
    return value;
  };
  const started = performance.now();
  const ready = await next();
  return {
    /** What it says of itself. */
    description: ready.replace(/^ready /, ''),
    /** From start to ready, ms. */
    startMs: performance.now() - started,
    async time(line) {
      child.stdin.write(`${line}\n`);
      return Number(await next());
    },
    stop() {
      child.kill();
    },
  };
}
