/** Server-sent events as Anthropic's API has them: named, and without an end of their own. */

import { anthropicError } from '../http/error-bodies.ts';
import type { SseFrames } from '../http/sse.ts';
import type { MessageEvent } from '../schemas/message-object.ts';

const frame = (type: string, data: unknown): string => `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;

export const messageFrames: SseFrames = {
  event: (event) => frame((event as MessageEvent).type, event),
  end: () => '',
  error: (error) => frame('error', anthropicError(error)),
};
