/** A thread of the WebAssembly kernels in Node: requests in, responses out, weights read from their files; or a helper. */

import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { FormatError } from '@steelyard/core';
import type { FileRegion } from '@steelyard/graph';
import { beginThread, type ThreadStart } from '../wasm/threads.ts';
import type { Request } from '../wasm/worker-runner.ts';

/** One read call handles at most this many bytes. */
const MAX_READ = 1 << 28;

function readRegion({ path, offset }: FileRegion, to: Uint8Array): void {
  const fd = openSync(path, 'r');
  try {
    for (let done = 0; done < to.length;) {
      const got = readSync(fd, to, done, Math.min(to.length - done, MAX_READ), offset + done);
      if (got === 0) throw new FormatError(`${path}: ended at byte ${offset + done}; it was cut short`);
      done += got;
    }
  } finally {
    closeSync(fd);
  }
}

const respond = beginThread(workerData as ThreadStart, readRegion);
if (respond) parentPort?.on('message', (request: Request) => parentPort?.postMessage(respond(request)));
