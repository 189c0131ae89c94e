/** `npm run test:browser`: the tests that open pages in Chromium (tests/browser). Fails, instead of skipping, where there is none. */

import { findChromium } from './browser/chromium.mjs';
import { build } from './build.mjs';
import { runNode } from './run.mjs';

if (!findChromium()) {
  console.error('no Chromium here; install it (Debian: apt-get install chromium), or name one in CHROMIUM');
  process.exit(1);
}
await build({ quiet: true, all: true });
process.exitCode = await runNode(['node_modules/vitest/vitest.mjs', 'run', 'tests/browser']);
