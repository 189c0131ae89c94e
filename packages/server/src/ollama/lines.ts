/** Streams as Ollama has them: a JSON object per line. */

import type { SseFrames } from '../http/sse.ts';

const line = (value: unknown): string => `${JSON.stringify(value)}\n`;

export const NDJSON = 'application/x-ndjson';

export const ollamaLines: SseFrames = {
  contentType: NDJSON,
  event: line,
  end: () => '',
  error: ({ message }) => line({ error: message }),
};
