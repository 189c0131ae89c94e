/** `POST /v1/messages`, whole or streaming, and `POST /v1/messages/count_tokens`: Anthropic's wire format. */

import { NotFoundError } from '@steelyard/core';
import type { LanguageModel } from '@steelyard/engine';
import { MessageWriter } from '../anthropic/message-writer.ts';
import { messageFrames } from '../anthropic/message-frames.ts';
import { checkThinking, prepareMessage, type PreparedMessage } from '../anthropic/message-ask.ts';
import { defineEndpoint, type Call, type Services } from '../endpoint.ts';
import { startGeneration, streamGeneration, type Generation } from '../generation.ts';
import { ApiError } from '../http/api-error.ts';
import { sealOf } from '../responses/sealed-reasoning.ts';
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
  routable: 'chat',
  request: messageRequestSchema,
  response: messageSchema,
  streamEvent: messageEventSchema,
  async handle(call: Call<MessageRequest>) {
    const { body } = call;
    const prepared = prepareMessage(body, sealOf(call));
    const generation = await startGeneration(call, {
      model: body.model,
      endpoint: PATH,
      promptParam: 'messages',
      start(model, signal) {
        checkThinking(body, model.info);
        return [model.chat(prepared.messages, prepared.options(signal))];
      },
    });
    const writer = writerFor(call, prepared, generation);
    if (body.stream) return streamGeneration(call, generation, events(writer, generation), messageFrames);
    for await (const told of generation.events) writer.write(told);
    return Response.json(writer.message);
  },
});

export const countMessageTokens = defineEndpoint({
  method: 'POST',
  path: `${PATH}/count_tokens`,
  summary: "Tokens of a message's prompt, in Anthropic's wire format.",
  request: countTokensRequestSchema,
  response: countTokensSchema,
  async handle(call: Call<CountTokensRequest>) {
    const { body, services, signal } = call;
    const prepared = prepareMessage(body, sealOf(call));
    const model = await countingModel(services, body.model);
    checkThinking(body, model.info);
    return Response.json({ input_tokens: model.countTokens(prepared.messages, prepared.options(signal)) });
  },
});

/** @throws ApiError 400 for a model whose tokenizer only an upstream has */
async function countingModel({ models, router }: Services, name: string): Promise<LanguageModel> {
  try {
    return await models.get(name);
  } catch (error) {
    const upstream = router?.upstreamOf(name);
    if (!(error instanceof NotFoundError) || upstream === undefined) throw error;
    throw new ApiError(
      400,
      `The tokens of '${name}' cannot be counted here: the upstream '${upstream}' computes it, and its tokenizer is not here. ` +
        'The usage of an answer tells what was counted there.',
      { param: 'model', code: 'tokenizer_not_here', cause: error },
    );
  }
}

function writerFor(call: Call<MessageRequest>, prepared: PreparedMessage, { model }: Generation) {
  const { body } = call;
  const { messages: chat, parallel, hidesThoughts, options } = prepared;
  return new MessageWriter({
    model: model.info.name,
    parallel,
    hidesThoughts,
    seal: sealOf(call).seal,
    maxTokens: body.max_tokens,
    // A whole message tells what the engine counted.
    inputTokens: body.stream ? model.countTokens(chat, options(new AbortController().signal)) : 0,
  });
}

async function* events(writer: MessageWriter, generation: Generation): AsyncGenerator<MessageEvent> {
  writer.begin();
  yield* writer.take();
  for await (const told of generation.events) {
    writer.write(told);
    yield* writer.take();
  }
}
