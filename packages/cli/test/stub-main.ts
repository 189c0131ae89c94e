/** The command as a process of its own over a stub model, for tests of signals and pipes. */

import { createStubModel } from '@steelyard/engine/testing';
import { createServer } from '@steelyard/server';
import { runProcess } from '../src/run-process.ts';
import { createFakeServices } from './fake-services.ts';

const delayMs = Number(process.env['STUB_DELAY_MS'] ?? 0);
const repeat = Number(process.env['STUB_REPEAT'] ?? 1);

const services = createFakeServices({
  createModel: (name) =>
    createStubModel({
      name,
      delayMs,
      contextLength: 1e9,
      reply: (messages) => {
        const last = messages.at(-1)?.content;
        return `${messages.length}: ${typeof last === 'string' ? last : ''}\n`.repeat(repeat).trimEnd();
      },
    }),
});

await runProcess({
  ...services,
  createServer: (options) => Promise.resolve(createServer(options)),
});
