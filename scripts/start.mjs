/** `npm start`: builds what is not up to date, then serves the default model with the chat page. Arguments go to `steelyard serve`. */

import { build } from './build.mjs';
import { endWhenOrphaned } from './orphaned.mjs';

// By hand it may be left to run when its shell ends; what npm starts ends with npm.
if (process.env.npm_lifecycle_event !== undefined) endWhenOrphaned();
try {
  await build();
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
// In this process, not a child: Ctrl-C then reaches one program, which drains and ends.
process.argv.splice(2, 0, 'serve');
await import('../packages/steelyard/bin/steelyard.mjs');
