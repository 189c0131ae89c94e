/** Runs a program of this workspace and waits; its output goes where ours goes, and it ends when this process is told to end. */

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Resolves to the exit code. `args[0]` is a script for Node, relative to the workspace root. */
export function runNode(args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit', ...options });
    let told;
    const tell = (signal) => {
      told = signal;
      child.kill(signal);
    };
    for (const signal of SIGNALS) process.on(signal, tell);
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      for (const one of SIGNALS) process.off(one, tell);
      // What would have come after it is not wanted any more.
      if (told !== undefined) process.kill(process.pid, told);
      else resolve(signal ? 1 : (code ?? 1));
    });
  });
}
