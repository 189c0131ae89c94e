/** `POST /v1/messages`, whole or streaming, and `POST /v1/messages/count_tokens`: Anthropic's wire format. */

import { MessageWriter } from '../anthropic/message-writer.ts';
import { messageFrames } from '../anthropic/message-frames.ts';
import { prepareMessage, type PreparedMessage } from '../anthropic/message-ask.ts';
import { defineEndpoint, type Call } from '../endpoint.ts';
import { startGeneration, streamGeneration, type Generation } from '../generation.ts';
import {
  countTokensSchema,
  messageEventSchema,
  messageSchema,
  type MessageEvent,
} from '../schemas/message-object.ts';
import {
  countTokensRequestSchema,
  messageRequestSchema,
  type CountTokensRequest,
  type MessageRequest,
} from '../schemas/message-request.ts';

const PATH = '/v1/messages';

export const messages = defineEndpoint({
  method: 'POST',
  path: PATH,
  summary: "The assistant's next message, in Anthropic's wire format.",
  request: messageRequestSchema,
  response: messageSchema,
  streamEvent: messageEventSchema,
  async handle(call: Call<MessageRequest>) {
    const { body } = call;
    const prepared = prepareMessage(body);
    const generation = await startGeneration(call, {
      model: body.model,
      endpoint: PATH,
      promptParam: 'messages',
      start: (model, signal) => [model.chat(prepared.messages, prepared.options(signal))],
    });
    const writer = writerFor(call, prepared, generation);
    if (body.stream) return streamGeneration(call, generation, events(writer, generation), messageFrames);
    for await (const { event } of generation.events) writer.write(event);
    return Response.json(writer.message);
  },
});

export const countMessageTokens = defineEndpoint({
  method: 'POST',
  path: `${PATH}/count_tokens`,
  summary: "Tokens of a message's prompt, in Anthropic's wire format.",
  request: countTokensRequestSchema,
  response: countTokensSchema,
  async handle({ body, services, signal }: Call<CountTokensRequest>) {
    const prepared = prepareMessage(body);
    const model = await services.models.get(body.model);
    return Response.json({ input_tokens: model.countTokens(prepared.messages, prepared.options(signal)) });
  },
});

function writerFor({ body }: Call<MessageRequest>, prepared: PreparedMessage, { model }: Generation) {
  const { messages: chat, parallel, hidesThoughts, options } = prepared;
  return new MessageWriter({
    model: model.info.name,
    parallel,
    hidesThoughts,
    maxTokens: body.max_tokens,
    // A whole message tells what the engine counted.
    inputTokens: body.stream ? model.countTokens(chat, options(new AbortController().signal)) : 0,
  });
}

async function* events(writer: MessageWriter, generation: Generation): AsyncGenerator<MessageEvent> {
  writer.begin();
  yield* writer.take();
  for await (const { event } of generation.events) {
    writer.write(event);
    yield* writer.take();
  }
}
