/**
 * Server-sent events as OpenAI frames them: one `data:` line of JSON each, then `data: [DONE]`.
 * The reader sets the pace: the next event is computed into text only when the socket has room.
 */

import { toApiError } from './api-error.ts';

export interface SseOptions {
  /** Milliseconds that the reader may leave an event unread before the stream is given up. */
  readonly stallMs: number;
  /** Called when the reader goes away or stalls; it must make a pending `events.next()` end. */
  readonly onCancel: () => void;
  /** Told about an error that ended the stream, before the client is. */
  readonly onError?: (error: unknown) => void;
}

/** Streams the events. An error becomes a last event `{"error": ...}`, without `[DONE]`. */
export function sseResponse(events: AsyncGenerator<unknown>, options: SseOptions): Response {
  const encoder = new TextEncoder();
  let stall: NodeJS.Timeout | undefined;
  let cancelled = false;
  const stop = () => {
    cancelled = true;
    options.onCancel();
    void events.return(undefined).catch(() => {});
  };
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        clearTimeout(stall);
        try {
          const next = await events.next();
          if (cancelled) return;
          controller.enqueue(
            encoder.encode(`data: ${next.done ? '[DONE]' : JSON.stringify(next.value)}\n\n`),
          );
          if (next.done) return controller.close();
        } catch (error) {
          options.onError?.(error);
          if (cancelled) return;
          controller.enqueue(
            encoder.encode(`data: ${JSON.stringify({ error: toApiError(error).toObject() })}\n\n`),
          );
          return controller.close();
        }
        stall = setTimeout(() => {
          controller.error(new Error(`the client read nothing for ${options.stallMs} ms`));
          stop();
        }, options.stallMs).unref();
      },
      cancel() {
        clearTimeout(stall);
        stop();
      },
    },
    { highWaterMark: 1 },
  );
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      // Proxies (nginx) must not collect the stream.
      'x-accel-buffering': 'no',
    },
  });
}
