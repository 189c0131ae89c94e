/** The process around the command line: its streams and signals, its end, and pipes that close early. */

import { createContext } from './context.ts';
import { listenForInterrupts } from './interrupts.ts';
import { runCommandLine } from './program.ts';
import type { Services } from './services.ts';

/** Runs the command line of this process and ends the process. */
export async function runProcess(services: Services): Promise<void> {
  quietWhenPipesClose();
  const context = createContext({
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    services,
    onInterrupt: listenForInterrupts(process),
  });
  const code = await runCommandLine(process.argv.slice(2), context);
  // Exiting by itself would wait for idle sockets and threads; what was written must be out first.
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit(code);
}

/** `steelyard run ... | head` ends when head has read enough, and that is no error. */
function quietWhenPipesClose(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0);
      throw error;
    });
  }
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || !stream.writable) resolve();
    else stream.write('', () => resolve());
  });
}
