/** `POST /api/chat` and `POST /api/generate`, in Ollama's shape. */

import { defineEndpoint, type Call } from '../../endpoint.ts';
import { modelNameOf, ollamaOptions } from '../../ollama/ask.ts';
import { NDJSON } from '../../ollama/lines.ts';
import { loadOnly, runAsk, type AskPlan } from '../../ollama/run-ask.ts';
import { talkOf, talkOfPrompt } from '../../ollama/to-chat.ts';
import {
  ollamaChatAnswerSchema,
  ollamaGenerateAnswerSchema,
  type OllamaChatAnswer,
  type OllamaGenerateAnswer,
} from '../../schemas/ollama-answer.ts';
import {
  ollamaChatSchema,
  ollamaGenerateSchema,
  type OllamaChat,
  type OllamaGenerate,
} from '../../schemas/ollama-request.ts';

const CHAT = '/api/chat';
const GENERATE = '/api/generate';

export const ollamaChat = defineEndpoint({
  method: 'POST',
  path: CHAT,
  anyContentType: true,
  summary: "The assistant's next message, in Ollama's shape; streams unless told otherwise.",
  routable: 'chat',
  modelOf: modelNameOf,
  request: ollamaChatSchema,
  response: ollamaChatAnswerSchema,
  streamEvent: ollamaChatAnswerSchema,
  streamType: NDJSON,
  handle(call: Call<OllamaChat>) {
    const { body } = call;
    if (!body.messages?.length) return loadOnly(call, chatShape);
    const { messages, ...begun } = talkOf(body.messages);
    return runAsk(call, {
      endpoint: CHAT,
      start: (model, signal) =>
        model.chat(messages, { ...ollamaOptions(body, { model, signal, tools: body.tools }), ...begun }),
      shape: chatShape,
    });
  },
});

export const ollamaGenerate = defineEndpoint({
  method: 'POST',
  path: GENERATE,
  anyContentType: true,
  summary: "The answer to a prompt, in Ollama's shape; streams unless told otherwise.",
  routable: 'chat',
  modelOf: modelNameOf,
  request: ollamaGenerateSchema,
  response: ollamaGenerateAnswerSchema,
  streamEvent: ollamaGenerateAnswerSchema,
  streamType: NDJSON,
  handle(call: Call<OllamaGenerate>) {
    const { body } = call;
    const { messages } = talkOfPrompt(body);
    const { prompt } = body;
    if (!prompt) return loadOnly(call, generateShape);
    return runAsk(call, {
      endpoint: GENERATE,
      start(model, signal) {
        const options = ollamaOptions(body, { model, signal });
        const raw = body.raw || !model.info.hasChatTemplate;
        return raw ? model.complete(prompt, options) : model.chat(messages, options);
      },
      shape: generateShape,
    });
  },
});

const chatShape: AskPlan['shape'] = (head, { text, thinking, calls }): OllamaChatAnswer => ({
  ...head,
  message: {
    role: 'assistant',
    content: text,
    ...(thinking ? { thinking } : {}),
    ...(calls.length > 0 ? { tool_calls: [...calls] } : {}),
  },
});

const generateShape: AskPlan['shape'] = (head, { text, thinking }): OllamaGenerateAnswer => ({
  ...head,
  response: text,
  ...(thinking ? { thinking } : {}),
});
