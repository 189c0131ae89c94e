/** Talks to the server's own API: lists models, streams an answer. Knows nothing of the page. */

import type { Turn } from './conversation.ts';

export interface PageModel {
  readonly id: string;
  readonly steelyard?: {
    readonly architecture: string;
    readonly parameter_count: number;
    readonly quantisation: string;
    readonly context_length: number;
    readonly backend: string;
    readonly has_chat_template: boolean;
    /** Of a model for vectors, which does not chat. */
    readonly dimensions?: number;
  };
}

/** What the server said about its work; absent when the answer was stopped. */
export interface AnswerEnd {
  readonly reason: 'stop' | 'length';
  readonly completionTokens?: number;
  readonly tokensPerSecond?: number;
}

interface StreamEvent {
  readonly error?: { readonly message?: string; readonly code?: string | null };
  readonly choices?: readonly {
    readonly delta: { readonly content?: string; readonly reasoning_content?: string };
    readonly finish_reason: AnswerEnd['reason'] | null;
  }[];
  readonly usage?: { readonly completion_tokens: number } | null;
  readonly timings?: { readonly decode_ms: number };
}

/** Small models ramble and loop at the API's defaults. */
const SAMPLING = { temperature: 0.3, top_p: 0.9, repetition_penalty: 1.1 };

/** A failure in words for the person at the page: what happened and what to do. */
export class ChatError extends Error {}

/** Those that chat. */
export async function listModels(): Promise<readonly PageModel[]> {
  const response = await request('/v1/models', {});
  const body = (await response.json()) as { data: PageModel[] };
  return body.data.filter((model) => model.steelyard?.dimensions === undefined);
}

/**
 * Streams one answer.
 * @param on called with each piece of text, and of the thoughts ahead of it
 * @throws ChatError with advice; the signal's own error when aborted
 */
export async function streamAnswer(
  model: string,
  turns: readonly Turn[],
  on: { text: (piece: string) => void; reasoning: (piece: string) => void },
  signal: AbortSignal,
): Promise<AnswerEnd> {
  const response = await request('/v1/chat/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model,
      messages: turns,
      ...SAMPLING,
      stream: true,
      stream_options: { include_usage: true },
    }),
    signal,
  });
  let reason: AnswerEnd['reason'] | undefined;
  let numbers: Omit<AnswerEnd, 'reason'> = {};
  for await (const event of events(response, signal)) {
    if (event.error) throw new ChatError(advice(0, event.error.code, event.error.message));
    const choice = event.choices?.[0];
    if (choice?.delta.reasoning_content) on.reasoning(choice.delta.reasoning_content);
    if (choice?.delta.content) on.text(choice.delta.content);
    reason = choice?.finish_reason ?? reason;
    if (event.usage) numbers = speed(event.usage.completion_tokens, event.timings?.decode_ms);
  }
  if (!reason) throw new ChatError('The connection ended before the answer did. Try again.');
  return { reason, ...numbers };
}

/** The first token belongs to reading the prompt, so it does not count for the rate. */
function speed(completionTokens: number, decodeMs: number | undefined): Omit<AnswerEnd, 'reason'> {
  if (!decodeMs || completionTokens < 2) return { completionTokens };
  return { completionTokens, tokensPerSecond: (completionTokens - 1) / (decodeMs / 1000) };
}

async function request(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ChatError(
      'The server cannot be reached. Check that steelyard is still running in its terminal, then try again.',
    );
  }
  if (response.ok) return response;
  const body = (await response.json().catch(() => ({}))) as StreamEvent;
  throw new ChatError(advice(response.status, body.error?.code, body.error?.message));
}

function advice(
  status: number,
  code: string | null | undefined,
  message = 'The server gave no reason.',
): string {
  if (code === 'context_length_exceeded') {
    return `This conversation is too long for the model. Start a new chat. (${message})`;
  }
  if (status === 401)
    return 'This server asks for an API key, which this page cannot send. Use the API instead.';
  if (status === 429) return `The server is busy: ${message} Wait a moment, then try again.`;
  return message;
}

/** Data lines of a server-sent event stream, parsed, up to `[DONE]`. */
async function* events(response: Response, signal: AbortSignal): AsyncGenerator<StreamEvent> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + value).split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        if (!line.startsWith('data: ')) continue;
        const data = line.slice('data: '.length);
        if (data === '[DONE]') return;
        yield JSON.parse(data) as StreamEvent;
      }
    }
  } catch (error) {
    if (signal.aborted || error instanceof ChatError) throw error;
    throw new ChatError('The connection broke before the answer ended. Try again.', { cause: error });
  } finally {
    void reader.cancel().catch(() => {});
  }
}
