/** What is served and what is loaded, in Ollama's shapes: `GET /api/tags`, `/api/ps`, `/api/version`, `POST /api/show`. */

import { NotFoundError } from '@steelyard/core';
import { z } from 'zod';
import { defineEndpoint, type Call, type Services } from '../../endpoint.ts';
import { findNamed } from '../../model-provider.ts';
import { modelNameOf } from '../../ollama/ask.ts';
import { describeAll, listed, type Described } from '../../ollama/describe.ts';
import { ollamaPsSchema, ollamaShowAnswerSchema, ollamaTagsSchema } from '../../schemas/ollama-answer.ts';
import { ollamaShowSchema, type OllamaShow } from '../../schemas/ollama-request.ts';

/** Editors ask for a version from which on they find what they need: the one whose API this is. */
const API_VERSION = '0.12.6';
/** A date that lies further ahead than any other: loaded for good. */
const NEVER = new Date(Date.UTC(2300, 0)).toISOString();

export const ollamaTags = defineEndpoint({
  method: 'GET',
  path: '/api/tags',
  summary: "Models that requests may name, in Ollama's shape.",
  response: ollamaTagsSchema,
  async handle({ services }) {
    const models = (await describeAll(services)).map((model) => ({
      ...listed(model),
      modified_at: modifiedAt(model, services),
    }));
    return Response.json({ models });
  },
});

export const ollamaPs = defineEndpoint({
  method: 'GET',
  path: '/api/ps',
  summary: "Models in memory, in Ollama's shape.",
  response: ollamaPsSchema,
  async handle({ services }) {
    const { models, embeddingModels } = services;
    const loaded = [...models.loaded(), ...embeddingModels.loaded()];
    const described = (await describeAll(services)).flatMap((model) => {
      const entry = loaded.find((one) => one.model.info.name === model.info.name);
      if (!entry) return [];
      const expires_at = Number.isFinite(entry.expiresAt) ? new Date(entry.expiresAt).toISOString() : NEVER;
      const context_length = model.info.contextLength;
      return [{ ...listed(model, entry.memoryBytes), expires_at, size_vram: 0 as const, context_length }];
    });
    return Response.json({ models: described });
  },
});

export const ollamaVersion = defineEndpoint({
  method: 'GET',
  path: '/api/version',
  summary: "The version of Ollama's API that this is, and this server's own.",
  response: z.object({ version: z.string(), steelyard: z.string() }),
  handle: ({ services }) => Response.json({ version: API_VERSION, steelyard: services.version }),
});

export const ollamaShow = defineEndpoint({
  method: 'POST',
  path: '/api/show',
  access: 'read',
  anyContentType: true,
  summary: "Facts of a model, in Ollama's shape.",
  request: ollamaShowSchema,
  response: ollamaShowAnswerSchema,
  async handle({ body, services }: Call<OllamaShow>) {
    const name = modelNameOf(body);
    const model = findNamed(await describeAll(services), name, ({ info }) => info.name);
    if (!model)
      throw new NotFoundError(`model '${name}' is not served here; GET /api/tags lists those that are`);
    const { info, stored, details } = model;
    const { architecture } = info;
    const answer: z.infer<typeof ollamaShowAnswerSchema> = {
      license: stored?.license ?? '',
      modelfile: `FROM ${stored?.source ?? info.name}`,
      // As lines of a Modelfile: what there is to set that is not the request's.
      parameters: `num_ctx ${info.contextLength}`,
      template: ('chatTemplate' in info && info.chatTemplate) || '',
      details,
      model_info: {
        'general.architecture': architecture,
        'general.parameter_count': info.parameterCount,
        [`${architecture}.context_length`]: info.contextLength,
        [`${architecture}.vocab_size`]: info.vocabSize,
        ...('dimensions' in info ? { [`${architecture}.embedding_length`]: info.dimensions } : {}),
      },
      capabilities: capabilitiesOf(info),
      modified_at: modifiedAt(model, services),
    };
    return Response.json(answer);
  },
});

type Capability = z.infer<typeof ollamaShowAnswerSchema>['capabilities'][number];

function capabilitiesOf(info: Described['info']): Capability[] {
  if ('dimensions' in info) return ['embedding'];
  return [
    'completion',
    ...(info.callsTools ? (['tools'] as const) : []),
    ...(info.reasons ? (['thinking'] as const) : []),
  ];
}

function modifiedAt({ stored }: Described, { startedAt }: Services): string {
  return stored?.pulledAt ?? new Date(startedAt * 1000).toISOString();
}
