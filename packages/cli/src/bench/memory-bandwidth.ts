/**
 * How fast this machine reads memory: every thread searches a buffer of its own, larger than any cache, for a byte
 * that is not in it. The search is the C library's `memchr`, which reads as fast as memory gives on every platform.
 */

import { Worker } from 'node:worker_threads';

const BYTES_PER_THREAD = 256 * 1024 * 1024;
const PASSES = 4;

// Filled with ones: untouched pages would all be one page of zeros, and come from cache.
const WORKER = `
const { parentPort, workerData } = require('node:worker_threads');
const buffer = Buffer.allocUnsafeSlow(workerData.bytes).fill(1);
parentPort.once('message', () => {
  const start = performance.now();
  for (let i = 0; i < workerData.passes; i++) buffer.indexOf(0);
  parentPort.postMessage(performance.now() - start);
});
parentPort.postMessage('ready');
`;

/** Bytes per second, all threads together. */
export async function measureReadBandwidth(threads: number): Promise<number> {
  const workers = Array.from(
    { length: threads },
    () => new Worker(WORKER, { eval: true, workerData: { bytes: BYTES_PER_THREAD, passes: PASSES } }),
  );
  try {
    await Promise.all(workers.map(nextMessage));
    const finished = workers.map(nextMessage);
    for (const worker of workers) worker.postMessage('go');
    const times = (await Promise.all(finished)) as number[];
    return times.reduce((sum, ms) => sum + (BYTES_PER_THREAD * PASSES * 1000) / ms, 0);
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

function nextMessage(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}
