/** A thread of the WebAssembly kernels in a browser: the first message says what it does; then requests, responses. */

import { readRangeNow } from '@steelyard/core/browser';
import type { FileRegion } from '@steelyard/graph';
import { beginThread, type ThreadStart } from '../wasm/threads.ts';
import type { Request, Response } from '../wasm/worker-runner.ts';

/** Read at once, besides the weight's own place. */
const MOST_BYTES = 32 << 20;

/** `path` is a URL here. */
function readRegion({ path, offset }: FileRegion, to: Uint8Array): void {
  for (let done = 0; done < to.length; done += MOST_BYTES) {
    const length = Math.min(MOST_BYTES, to.length - done);
    to.set(readRangeNow(path, offset + done, length), done);
  }
}

let respond: ((request: Request) => Response) | undefined;

addEventListener('message', ({ data }: MessageEvent<ThreadStart | Request>) => {
  if ('role' in data) respond = beginThread(data, readRegion);
  else if (respond) postMessage(respond(data));
});
