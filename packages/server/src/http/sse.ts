/**
 * Server-sent events as OpenAI frames them: one `data:` line of JSON each, then `data: [DONE]`, unless told otherwise.
 * The reader sets the pace: the next event is computed into text only when the socket has room.
 */

import { toApiError, type ApiError } from './api-error.ts';

/** How events, the end, and an error that ends the stream are written. */
export interface SseFrames {
  /** Default `text/event-stream`. */
  readonly contentType?: string;
  event(event: unknown): string;
  end(): string;
  error(error: ApiError): string;
}

const dataOnly: SseFrames = {
  event: (event) => `data: ${JSON.stringify(event)}\n\n`,
  end: () => 'data: [DONE]\n\n',
  error: (error) => `data: ${JSON.stringify({ error: error.toObject() })}\n\n`,
};

export interface SseOptions {
  /** Default: `data:` lines only, `{"error": ...}`, and `[DONE]` at the end. */
  readonly frames?: SseFrames;
  /** Milliseconds that the reader may leave an event unread before the stream is given up. */
  readonly stallMs: number;
  /** Called when the reader goes away or stalls; it must make a pending `events.next()` end. */
  readonly onCancel: () => void;
  /** Told about an error that ended the stream, before the client is. */
  readonly onError?: (error: unknown) => void;
}

/** Streams the events. An error becomes a last event, and no end follows it. */
export function sseResponse(events: AsyncGenerator<unknown>, options: SseOptions): Response {
  const encoder = new TextEncoder();
  const { frames = dataOnly } = options;
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
          controller.enqueue(encoder.encode(next.done ? frames.end() : frames.event(next.value)));
          if (next.done) return controller.close();
        } catch (error) {
          options.onError?.(error);
          if (cancelled) return;
          controller.enqueue(encoder.encode(frames.error(toApiError(error))));
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
      'content-type': frames.contentType ?? 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      // Proxies (nginx) must not collect the stream.
      'x-accel-buffering': 'no',
    },
  });
}
