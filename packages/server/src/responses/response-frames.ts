/** Server-sent events as the Responses API has them: named, and without an end of their own. */

import type { SseFrames } from '../http/sse.ts';
import { padded } from '../obfuscation.ts';
import type { ResponseEvent } from '../schemas/response-events.ts';

/**
 * For one stream: an error takes the number after the last event.
 * @param obfuscates whether events that have a piece of text are padded
 */
export function responseFrames({ obfuscates = false } = {}): SseFrames {
  let next = 0;
  const frame = (event: ResponseEvent): string => {
    next = event.sequence_number + 1;
    return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
  };
  return {
    event(given) {
      const event = given as ResponseEvent;
      return frame(obfuscates && 'delta' in event ? padded(event) : event);
    },
    end: () => '',
    error: ({ message, code, param }) =>
      frame({ type: 'error', code, message, param, sequence_number: next }),
  };
}
