/** Runs a package manager of the machine. Arguments are passed as they are; no shell reads them. */

import { spawn } from 'node:child_process';
import { checkEgress } from '@steelyard/core/node';
import { isErrorCode } from '../failures.ts';

const MAX_OUTPUT = 1 << 20;

export interface CommandResult {
  /** undefined when there is no such program. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly signal?: AbortSignal | undefined;
  readonly onLine?: (line: string) => void;
}

/** @throws AbortError of Node's after the signal; the process is ended first */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    // These commands ask registries, from a process of their own.
    checkEgress(command);
    const child = spawn(command, args, {
      env: { ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
      // On Windows npm is a batch file, which only a shell runs; every argument was checked by parseSource.
      shell: process.platform === 'win32' && command === 'npm',
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    let stdout = '';
    let stderr = '';
    let line = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout = (stdout + text).slice(-MAX_OUTPUT);
      const lines = (line + text).split(/\r?\n|\r/);
      line = lines.pop() ?? '';
      for (const complete of lines) options.onLine?.(complete);
    });
    child.stderr
      .setEncoding('utf8')
      .on('data', (text: string) => (stderr = (stderr + text).slice(-MAX_OUTPUT)));
    child.on('error', (error) => {
      if (isErrorCode(error, 'ENOENT', 'EACCES'))
        resolve({ status: undefined, stdout, stderr: error.message });
      else reject(error);
    });
    child.on('close', (code) => resolve({ status: code ?? -1, stdout, stderr }));
  });
}

/** The lines of a tool's output that say what went wrong. */
export function errorLines(text: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  const errors = lines.filter(
    (line) => /^(?:npm )?err(?:or)?\b/i.test(line) && !/complete log|\.log$/i.test(line),
  );
  const chosen = errors.length ? errors.slice(0, 6) : lines.filter((line) => line !== '').slice(-4);
  return chosen.join('; ').slice(0, 800) || 'it said nothing';
}
