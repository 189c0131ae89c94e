/**
 * `npm run test:kill -- --kills N --seed N`: servers killed N times (100), two side by side, while objects of every kind
 * come and go; what they acknowledged must be there. The seed decides about the writes; when each kill comes is the machine's.
 */

import { parseArgs } from 'node:util';
import { runNode } from './run.mjs';

const whole = (name, text) => {
  if (/^\d{1,9}$/.test(text)) return text;
  console.error(`test:kill: --${name} is '${text}', expected a whole number.`);
  process.exit(2);
};
const { values } = parseArgs({
  options: { kills: { type: 'string', default: '100' }, seed: { type: 'string' } },
});
process.exitCode = await runNode(
  ['node_modules/vitest/vitest.mjs', 'run', 'packages/server/test/kill/kill.test.ts'],
  {
    env: {
      ...process.env,
      STEELYARD_KILLS: whole('kills', values.kills),
      ...(values.seed === undefined ? {} : { STEELYARD_SEED: whole('seed', values.seed) }),
    },
  },
);
