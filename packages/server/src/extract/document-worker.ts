/** The thread that reads one PDF or DOCX file and ends. */

import { parentPort, workerData } from 'node:worker_threads';
import type { DocumentAnswer, DocumentRequest } from './document-text.ts';

const { kind, content } = workerData as DocumentRequest;

async function read(): Promise<string> {
  if (kind === 'docx') {
    const { default: mammoth } = await import('mammoth');
    return (await mammoth.extractRawText({ buffer: Buffer.from(content) })).value;
  }
  const { extractText, getDocumentProxy } = await import('unpdf');
  const document = await getDocumentProxy(new Uint8Array(content));
  const { text } = await extractText(document, { mergePages: false });
  return text.join('\n\n');
}

function answer(given: DocumentAnswer): void {
  parentPort!.postMessage(given);
}

read().then(
  (text) => answer({ text }),
  (error: unknown) => answer({ problem: (error as Error).message.slice(0, 300) }),
);
