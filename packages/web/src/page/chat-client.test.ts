import { afterEach, describe, expect, it, vi } from 'vitest';
import { ChatError, streamAnswer } from './chat-client.ts';

afterEach(() => vi.unstubAllGlobals());

/** Answers every fetch with these bytes, cut where the test says. */
function serve(pieces: readonly string[], status = 200) {
  const encoder = new TextEncoder();
  vi.stubGlobal('fetch', () => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const piece of pieces) controller.enqueue(encoder.encode(piece));
        controller.close();
      },
    });
    return Promise.resolve(new Response(body, { status }));
  });
}

async function ask() {
  const texts: string[] = [];
  const thoughts: string[] = [];
  const on = {
    text: (piece: string) => texts.push(piece),
    reasoning: (piece: string) => thoughts.push(piece),
  };
  const end = await streamAnswer('m', [], on, new AbortController().signal);
  return { texts, thoughts, end };
}

describe('streamAnswer', () => {
  it('tells thoughts from the answer', async () => {
    const stream =
      'data: {"choices":[{"delta":{"reasoning_content":"Hm."},"finish_reason":null}]}\n\n' +
      'data: {"choices":[{"delta":{"content":"Yes."},"finish_reason":null}]}\n\n' +
      'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';
    serve([stream]);
    const { texts, thoughts } = await ask();
    expect([thoughts, texts]).toEqual([['Hm.'], ['Yes.']]);
  });

  it('reads events across any cut, and the rate from the last one', async () => {
    const stream =
      'data: {"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n' +
      'data: {"choices":[{"delta":{"content":"Hé"},"finish_reason":null}]}\n\n' +
      'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n' +
      'data: {"choices":[],"usage":{"completion_tokens":11},"timings":{"decode_ms":2000}}\n\ndata: [DONE]\n\n';
    for (const size of [1, 7, 1000]) {
      serve(stream.match(new RegExp(`[^]{1,${size}}`, 'g'))!);
      expect(await ask()).toEqual({
        texts: ['Hé'],
        thoughts: [],
        end: { reason: 'stop', completionTokens: 11, tokensPerSecond: 5 },
      });
    }
  });

  it('tells what went wrong in the middle and at the start', async () => {
    serve(['data: {"error":{"message":"engine broke","code":"internal_error"}}\n\n']);
    await expect(ask()).rejects.toThrow(new ChatError('engine broke'));
    serve(['data: {"choices":[{"delta":{"content":"x"},"finish_reason":null}]}\n\n']);
    await expect(ask()).rejects.toThrow('connection ended before');
    serve(['{"error":{"message":"9 tokens, 8 fit","code":"context_length_exceeded"}}'], 400);
    await expect(ask()).rejects.toThrow('Start a new chat. (9 tokens, 8 fit)');
    serve(['<html>'], 502);
    await expect(ask()).rejects.toThrow('gave no reason');
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('failed')));
    await expect(ask()).rejects.toThrow('cannot be reached');
  });
});
