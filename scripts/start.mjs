/** `npm start`: builds what is not up to date, then serves the default model with the chat page. Arguments go to `steelyard serve`. */

import { build } from './build.mjs';

try {
  await build();
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
// In this process, not a child: Ctrl-C then reaches one program, which drains and ends.
process.argv.splice(2, 0, 'serve');
await import('../packages/steelyard/bin/steelyard.mjs');
