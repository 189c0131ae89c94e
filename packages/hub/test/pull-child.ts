/** A process of its own that pulls: `STORE=… SOURCE=… node pull-child.mjs`; prints the model as JSON. */

import { openStore, pull } from '../src/index.ts';

const store = openStore(process.env['STORE']);
let announced = false;
const model = await pull(process.env['SOURCE'] ?? '', {
  store,
  retryDelayMs: 1,
  onProgress: ({ receivedBytes }) => {
    if (receivedBytes === 0 || announced) return;
    announced = true;
    process.stdout.write('receiving\n');
  },
});
process.stdout.write(`${JSON.stringify(model)}\n`);
