/** `POST /api/embed` and its older form `POST /api/embeddings`, in Ollama's shape. */

import { embedTexts } from '../../embed-texts.ts';
import { defineEndpoint, type Call } from '../../endpoint.ts';
import { keepAliveOf, modelNameOf } from '../../ollama/ask.ts';
import { withReceipts } from '../../receipts/give-receipt.ts';
import {
  ollamaEmbedAnswerSchema,
  ollamaEmbeddingsAnswerSchema,
  toNanoseconds,
} from '../../schemas/ollama-answer.ts';
import {
  ollamaEmbeddingsSchema,
  ollamaEmbedSchema,
  type OllamaEmbed,
  type OllamaEmbeddings,
} from '../../schemas/ollama-request.ts';

export const ollamaEmbed = defineEndpoint({
  method: 'POST',
  path: '/api/embed',
  anyContentType: true,
  summary: "Vectors of texts, in Ollama's shape; texts that are too long are cut unless told otherwise.",
  routable: 'embeddings',
  modelOf: modelNameOf,
  request: ollamaEmbedSchema,
  response: ollamaEmbedAnswerSchema,
  async handle(call: Call<OllamaEmbed>) {
    const { body } = call;
    const asked = performance.now();
    const { vectors, promptTokens, model, receipts } = await embedTexts(call, {
      ...planOf(body),
      endpoint: '/api/embed',
      texts: typeof body.input === 'string' ? [body.input] : body.input,
      truncate: body.truncate ?? true,
      ...(body.dimensions ? { options: { dimensions: body.dimensions } } : {}),
    });
    return Response.json({
      model,
      embeddings: vectors.map((vector) => [...vector]),
      total_duration: toNanoseconds(performance.now() - asked),
      load_duration: 0,
      prompt_eval_count: promptTokens,
      ...withReceipts(receipts),
    });
  },
});

export const ollamaEmbeddings = defineEndpoint({
  method: 'POST',
  path: '/api/embeddings',
  anyContentType: true,
  summary: "The vector of a text, in Ollama's older shape.",
  routable: 'embeddings',
  modelOf: modelNameOf,
  request: ollamaEmbeddingsSchema,
  response: ollamaEmbeddingsAnswerSchema,
  async handle(call: Call<OllamaEmbeddings>) {
    const { prompt } = call.body;
    if (prompt === '') return Response.json({ embedding: [] });
    const plan = { ...planOf(call.body), endpoint: '/api/embeddings' };
    const { vectors, receipts } = await embedTexts(call, { ...plan, texts: [prompt], truncate: true });
    return Response.json({ embedding: [...vectors[0]!], ...withReceipts(receipts) });
  },
});

function planOf(body: OllamaEmbeddings | OllamaEmbed) {
  const keepAliveMs = keepAliveOf(body);
  return {
    model: modelNameOf(body),
    param: 'input' as const,
    ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
  };
}
