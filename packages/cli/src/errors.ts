/** How a failure is told: one line that ends with what to run next, and an exit code. Stacks only for developers. */

import { SteelyardError, type ErrorCode } from '@steelyard/core';
import type { CommandContext } from './context.ts';
import { sanitiseLine } from './terminal/sanitise.ts';

export const EXIT_ERROR = 1;
export const EXIT_USAGE = 2;
export const EXIT_INTERRUPTED = 130;

/** A command line that parses but makes no sense. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What a server keeps can be read only by asking that server. */
export class HeldByServerError extends Error {
  override readonly name = 'HeldByServerError';

  /** @param url where the server listens, as far as its configuration says */
  constructor(
    directory: string,
    process: number,
    readonly url: string,
    options?: { cause?: unknown },
  ) {
    super(
      `${directory} is in use by a server, process ${process}. Stop it and run this again, or, if it asks for keys, ` +
        'ask it with an admin key',
      options,
    );
  }
}

const NEXT_STEPS: Readonly<Record<ErrorCode, string | undefined>> = {
  not_found: 'steelyard list',
  network: 'steelyard doctor --network',
  capacity: 'steelyard doctor',
  unsupported: 'steelyard doctor',
  format: 'steelyard list',
  shape: undefined,
  request: undefined,
  aborted: undefined,
};

/**
 * The line for people, without the `steelyard:` before it.
 * @param argv the whole command line
 */
export function describeError(error: unknown, command: string, argv: readonly string[] = [command]): string {
  if (error instanceof HeldByServerError) {
    const again = [...argv, '--url', error.url].map(quoted).join(' ');
    return `${sanitiseLine(error.message)}: STEELYARD_ADMIN_KEY=KEY steelyard ${again}`;
  }
  if (error instanceof UsageError) return `${error.message}; see: steelyard ${command} --help`;
  if (error instanceof SteelyardError) {
    const next = NEXT_STEPS[error.code] ?? `steelyard ${command} --help`;
    const message = sanitiseLine(error.message).replace(/[.;]$/, '');
    // Messages that name a command already say what to do.
    return /\bsteelyard [a-z]/.test(message) ? message : `${message}; next: ${next}`;
  }
  const message = error instanceof Error ? error.message : String(error);
  return `unexpected error: ${sanitiseLine(message)}; for details run it again with STEELYARD_DEBUG=1`;
}

/** As a shell takes it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${sanitiseLine(word).replaceAll("'", "'\\''")}'`;
}

/** Writes the failure to stderr and returns the exit code. */
export function reportError(
  error: unknown,
  command: string,
  context: CommandContext,
  argv: readonly string[] = [command],
): number {
  if (error instanceof SteelyardError && error.code === 'aborted') return EXIT_INTERRUPTED;
  context.note(`${context.errorStyle.red('steelyard:')} ${describeError(error, command, argv)}`);
  if (context.env['STEELYARD_DEBUG']) context.note(debugText(error));
  return error instanceof UsageError ? EXIT_USAGE : EXIT_ERROR;
}

/** The stack, and those of the causes. */
function debugText(error: unknown): string {
  const lines: string[] = [];
  for (let at = error; at instanceof Error && lines.length < 5; at = at.cause)
    lines.push(at.stack ?? at.message);
  return lines.join('\ncaused by: ');
}
