/** `GET /v1/models` and `GET /v1/models/{model}`: what requests may name. */

import { NotFoundError } from '@steelyard/core';
import type { ModelInfo } from '@steelyard/engine';
import { z } from 'zod';
import { defineEndpoint } from '../endpoint.ts';
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
  }),
});

const listSchema = z.object({ object: z.literal('list'), data: z.array(modelSchema) });

export const listModels = defineEndpoint({
  method: 'GET',
  path: '/v1/models',
  summary: 'Models that requests may name.',
  response: listSchema,
  async handle({ services }) {
    const infos = await services.models.list();
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
    const infos = await services.models.list();
    const info = findNamed(infos, params.model ?? '', (one) => one.name);
    if (!info) {
      throw new NotFoundError(
        `The model '${params.model}' is not served here. GET /v1/models lists those that are.`,
      );
    }
    return Response.json(toModel(info, services.startedAt));
  },
});

function toModel(info: ModelInfo, created: number): z.infer<typeof modelSchema> {
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
      has_chat_template: info.hasChatTemplate,
    },
  };
}
