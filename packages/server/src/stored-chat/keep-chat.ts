/** Keeps a chat completion whose request asks for it, answered whole or as a stream. */

import type { Call } from '../endpoint.ts';
import type { ChatRequest } from '../schemas/chat-request.ts';
import type { ChatChunk, ChatResponse } from '../schemas/chat-response.ts';
import { keptFields } from '../schemas/stored-chat.ts';
import { ChunkCollector } from './chunk-collector.ts';

/** Once resolved, it is kept. */
export async function keepChat(call: Call<ChatRequest>, response: ChatResponse): Promise<void> {
  const { body, requestId } = call;
  const { chatCompletions } = await call.storage();
  const { id, model } = response;
  const messages = body.messages.map((message, i) => ({ ...message, id: `${id}-${i}` }));
  const kept = { ...response, ...keptFields(body), request_id: requestId };
  await chatCompletions.create({ id, model, metadata: body.metadata ?? {}, body: kept }, messages);
}

/**
 * Passes the chunks of an answer on. What they make together is kept before the stream ends.
 * @param chunks with usage, which goes on only where it was asked for
 */
export async function* keepChunks(
  call: Call<ChatRequest>,
  chunks: AsyncIterable<ChatChunk>,
): AsyncGenerator<ChatChunk> {
  const wantsUsage = call.body.stream_options?.include_usage === true;
  const collector = new ChunkCollector();
  for await (const chunk of chunks) {
    collector.add(chunk);
    if (wantsUsage) yield chunk;
    else if (chunk.choices.length > 0) {
      const { usage: _usage, ...rest } = chunk;
      yield rest;
    }
  }
  const response = collector.response;
  if (response) await keepChat(call, response);
}
