/**
 * Text of PDF and DOCX files, read in a thread of its own: a hostile file costs at most its memory and its time, and the
 * server goes on.
 */

import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { ExtractError } from './extract-error.ts';

const MEMORY_MB = 512;
const TIME_MS = 120_000;

export type DocumentKind = 'pdf' | 'docx';

/** What the thread is asked. */
export interface DocumentRequest {
  readonly kind: DocumentKind;
  readonly content: Uint8Array;
}

/** What it answers. */
export type DocumentAnswer = { readonly text: string } | { readonly problem: string };

/** @throws ExtractError for a file that is damaged or takes too much */
export async function documentText(
  kind: DocumentKind,
  content: Buffer,
  signal: AbortSignal,
): Promise<string> {
  const worker = new Worker(workerUrl(), {
    workerData: { kind, content } satisfies DocumentRequest,
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB, maxYoungGenerationSizeMb: MEMORY_MB / 4 },
    stdout: true,
    stderr: true,
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    const answer = await new Promise<DocumentAnswer>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', (error: NodeJS.ErrnoException) =>
        resolve({
          problem:
            error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? `it takes more than ${MEMORY_MB} MiB` : error.message,
        }),
      );
      worker.once('exit', () => resolve({ problem: 'its reader ended' }));
      timer = setTimeout(() => resolve({ problem: `it takes more than ${TIME_MS / 1000} s` }), TIME_MS);
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    if ('text' in answer) return answer.text;
    throw new ExtractError(
      'invalid_file',
      `The ${kind.toUpperCase()} file could not be read: ${answer.problem}.`,
    );
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}

/** Threads run what was built, from sources too. */
function workerUrl(): URL {
  const here = import.meta.url.endsWith('.ts')
    ? '../../dist/extract/document-worker.js'
    : './document-worker.js';
  const url = new URL(here, import.meta.url);
  if (existsSync(url)) return url;
  throw new ExtractError('server_error', `The reader of documents is not built: ${url.pathname} is missing.`);
}
