/** `npm run test:kill [N]`: a server killed N times (100) while files come and go; what it acknowledged must be there. */

import { runNode } from './run.mjs';

const kills = process.argv[2] ?? '100';
process.exitCode = await runNode(
  ['node_modules/vitest/vitest.mjs', 'run', 'packages/server/test/kill.test.ts'],
  {
    env: { ...process.env, STEELYARD_KILLS: kills },
  },
);
