/** `GET /v1/models` and `GET /v1/models/{model}`: what requests may name. */

import { NotFoundError } from '@steelyard/core';
import type { EmbeddingInfo, ModelInfo } from '@steelyard/engine';
import { z } from 'zod';
import { defineEndpoint, type Services } from '../endpoint.ts';
import { findNamed, type ModelStatus } from '../model-provider.ts';

const modelSchema = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.int(),
  owned_by: z.string(),
  /** Extension: facts about the weights and where they run. */
  steelyard: z.object({
    /** `available` models are loaded when a request names them. */
    state: z.enum(['available', 'loading', 'loaded']),
    /** Bytes that it takes, or would take, in memory. */
    memory_bytes: z.int().optional(),
    architecture: z.string(),
    parameter_count: z.number(),
    quantisation: z.string(),
    context_length: z.int(),
    vocab_size: z.int(),
    backend: z.string(),
    has_chat_template: z.boolean(),
    /** Elements of a vector; only of models for `/v1/embeddings`. */
    dimensions: z.int().optional(),
  }),
});

const listSchema = z.object({ object: z.literal('list'), data: z.array(modelSchema) });

export const listModels = defineEndpoint({
  method: 'GET',
  path: '/v1/models',
  summary: 'Models that requests may name.',
  response: listSchema,
  async handle({ services }) {
    const body: z.infer<typeof listSchema> = { object: 'list', data: await allModels(services) };
    return Response.json(body);
  },
});

export const retrieveModel = defineEndpoint({
  method: 'GET',
  path: '/v1/models/{+model}',
  summary: 'One model.',
  response: modelSchema,
  async handle({ services, params }) {
    const model = findNamed(await allModels(services), params.model ?? '', ({ id }) => id);
    if (!model) {
      throw new NotFoundError(
        `The model '${params.model}' is not served here. GET /v1/models lists those that are.`,
      );
    }
    return Response.json(model);
  },
});

type ModelBody = z.infer<typeof modelSchema>;

async function allModels({ models, embeddingModels, startedAt }: Services): Promise<ModelBody[]> {
  const offered = <Info extends ModelInfo | EmbeddingInfo>(
    infos: readonly Info[],
    provider: { status?(name: string): ModelStatus },
  ) => infos.map((info) => toModel(info, provider.status?.(info.name) ?? { state: 'loaded' }, startedAt));
  return [...offered(await models.list(), models), ...offered(await embeddingModels.list(), embeddingModels)];
}

function toModel(info: ModelInfo | EmbeddingInfo, status: ModelStatus, created: number): ModelBody {
  return {
    id: info.name,
    object: 'model',
    created,
    owned_by: 'steelyard',
    steelyard: {
      state: status.state,
      ...(status.memoryBytes === undefined ? {} : { memory_bytes: status.memoryBytes }),
      architecture: info.architecture,
      parameter_count: info.parameterCount,
      quantisation: info.quantisation,
      context_length: info.contextLength,
      vocab_size: info.vocabSize,
      backend: info.backend,
      has_chat_template: 'hasChatTemplate' in info && info.hasChatTemplate,
      ...('dimensions' in info ? { dimensions: info.dimensions } : {}),
    },
  };
}
