/** `GET /v1/models` and `GET /v1/models/{model}`: what requests may name. */

import { NotFoundError } from '@steelyard/core';
import type { EmbeddingInfo, ModelInfo } from '@steelyard/engine';
import { z } from 'zod';
import { defineEndpoint, type Services } from '../endpoint.ts';
import { findNamed } from '../model-provider.ts';

const modelSchema = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.int(),
  owned_by: z.string(),
  /** Extension: facts about the weights and where they run. */
  steelyard: z.object({
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
    const infos = await allModels(services);
    const body: z.infer<typeof listSchema> = {
      object: 'list',
      data: infos.map((info) => toModel(info, services.startedAt)),
    };
    return Response.json(body);
  },
});

export const retrieveModel = defineEndpoint({
  method: 'GET',
  path: '/v1/models/{+model}',
  summary: 'One model.',
  response: modelSchema,
  async handle({ services, params }) {
    const infos = await allModels(services);
    const info = findNamed(infos, params.model ?? '', (one) => one.name);
    if (!info) {
      throw new NotFoundError(
        `The model '${params.model}' is not served here. GET /v1/models lists those that are.`,
      );
    }
    return Response.json(toModel(info, services.startedAt));
  },
});

async function allModels(services: Services): Promise<readonly (ModelInfo | EmbeddingInfo)[]> {
  return [...(await services.models.list()), ...(await services.embeddingModels.list())];
}

function toModel(info: ModelInfo | EmbeddingInfo, created: number): z.infer<typeof modelSchema> {
  return {
    id: info.name,
    object: 'model',
    created,
    owned_by: 'steelyard',
    steelyard: {
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
