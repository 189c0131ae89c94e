/** A context whose streams are in memory, and a way to run a command line in it. */

import { PassThrough } from 'node:stream';
import { createContext, type Environment } from '../src/context.ts';
import { runCommandLine } from '../src/program.ts';
import { createFakeServices, type FakeOptions, type FakeServices } from './fake-services.ts';

export interface TestOptions extends FakeOptions {
  /** Piped text; absent: stdin is a terminal that nobody types on. */
  readonly stdin?: string;
  readonly stdoutIsTTY?: boolean;
  readonly env?: Environment;
  readonly services?: FakeServices;
}

export interface Terminal {
  readonly services: FakeServices;
  readonly stdin: PassThrough;
  /** What was written so far. */
  stdout(): string;
  stderr(): string;
  /** As Ctrl-C or a signal does. */
  interrupt(signal?: NodeJS.Signals): void;
  run(...argv: string[]): Promise<number>;
}

export function createTerminal(options: TestOptions = {}): Terminal {
  const written = { stdout: '', stderr: '' };
  const handlers: ((signal: NodeJS.Signals) => void)[] = [];
  const services = options.services ?? createFakeServices(options);
  const stdin = Object.assign(new PassThrough(), {
    isTTY: options.stdin === undefined,
    setRawMode: () => undefined,
  });
  if (options.stdin !== undefined) stdin.end(options.stdin);
  const context = createContext({
    stdin: stdin,
    stdout: output((text) => (written.stdout += text), options.stdoutIsTTY === true),
    stderr: output((text) => (written.stderr += text), false),
    env: options.env ?? {},
    services,
    onInterrupt: (handler) => {
      handlers.push(handler);
      return () => handlers.splice(handlers.indexOf(handler), 1);
    },
  });
  return {
    services,
    stdin,
    stdout: () => written.stdout,
    stderr: () => written.stderr,
    interrupt: (signal = 'SIGINT') => handlers.at(-1)?.(signal),
    run: (...argv) => runCommandLine(argv, context),
  };
}

function output(add: (text: string) => void, isTTY: boolean) {
  const stream = new PassThrough();
  stream.on('data', (chunk: Buffer) => add(chunk.toString('utf8')));
  return Object.assign(stream, { isTTY, columns: 80 });
}

/** Resolves when `done` holds; fails the test's time limit otherwise. */
export async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 1));
}
