/** An answer as it comes, outside of a conversation on the terminal: text to stdout, thoughts to whoever watches stderr. */

import type { CommandContext } from '../context.ts';
import { writeAll } from '../terminal/output.ts';
import { sanitise } from '../terminal/sanitise.ts';
import type { Show } from './conversation.ts';

export function showAnswer(context: CommandContext): Show {
  const { stdout, stderr, errorStyle } = context;
  let thinking = false;
  return async (text, kind) => {
    if (kind === 'reasoning') {
      if (!stderr.isTTY) return;
      thinking = true;
      await writeAll(stderr, errorStyle.dim(sanitise(text)));
      return;
    }
    if (thinking) context.note('\n');
    thinking = false;
    await writeAll(stdout, stdout.isTTY ? sanitise(text) : text);
  };
}
