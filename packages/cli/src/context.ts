/** What a command needs from the world: streams, environment, interrupts and the services below. Tests hand in their own. */

import type { Readable } from 'node:stream';
import type { Services } from './services.ts';
import type { Output } from './terminal/output.ts';
import { styleFor, type Style } from './terminal/style.ts';

/** Standard input: a stream that may be a terminal. */
export interface Input extends Readable {
  readonly isTTY?: boolean;
  setRawMode?(on: boolean): unknown;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ContextParts {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Environment;
  readonly services: Services;
  /** Registers for Ctrl-C and SIGTERM; the latest registration alone is told. Returns what unregisters. */
  readonly onInterrupt: (handler: (signal: NodeJS.Signals) => void) => () => void;
}

export interface CommandContext extends ContextParts {
  /** Colours for stdout and for stderr. */
  readonly style: Style;
  readonly errorStyle: Style;
  /** Writes a line to stdout. */
  print(line?: string): void;
  /** Writes a line to stderr: everything that is not the command's answer. */
  note(line: string): void;
  /** `--json` output: one value. */
  printJson(value: unknown): void;
}

export function createContext(parts: ContextParts): CommandContext {
  return {
    ...parts,
    style: styleFor(parts.stdout, parts.env),
    errorStyle: styleFor(parts.stderr, parts.env),
    print: (line = '') => void parts.stdout.write(`${line}\n`),
    note: (line) => void parts.stderr.write(`${line}\n`),
    printJson: (value) => void parts.stdout.write(`${JSON.stringify(value, null, 2)}\n`),
  };
}
