/** The shape of a file in `commands/`. */

import type { Command } from 'commander';
import type { CommandContext } from './context.ts';

/** Adds one command to the program; its action calls `exit` with a code, or throws. */
export type RegisterCommand = (
  program: Command,
  context: CommandContext,
  exit: (code: number) => void,
) => void;
