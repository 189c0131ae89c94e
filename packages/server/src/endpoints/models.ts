/** `GET /v1/models` and `GET /v1/models/{model}`: what requests may name. */

import { NotFoundError } from '@steelyard/core';
import type { EmbeddingInfo, ModelInfo } from '@steelyard/engine';
import { z } from 'zod';
import { mayUse } from '../access/scopes.ts';
import { defineEndpoint, type Call } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import { findNamed, type ModelStatus } from '../model-provider.ts';

const modelSchema = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.int(),
  owned_by: z.string(),
  /** Extension: facts about the weights and where they run. */
  steelyard: z.union([
    z.object({ state: z.literal('upstream'), upstream: z.string() }),
    z.object({
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
      /** True of cross-encoders for `/v1/rerank`, which make no vectors. */
      ranks: z.literal(true).optional(),
    }),
  ]),
});

/** For clients of Anthropic's, which say so by a header: their fields beside the others. */
const anthropicFields = {
  type: z.literal('model').optional(),
  display_name: z.string().optional(),
  created_at: z.string().optional(),
};
const shownSchema = modelSchema.extend(anthropicFields);

const listSchema = z.object({
  object: z.literal('list'),
  data: z.array(shownSchema),
  has_more: z.boolean().optional(),
  first_id: z.string().nullable().optional(),
  last_id: z.string().nullable().optional(),
});

/** Of Anthropic's, and taken from others too; their default and most are Anthropic's. */
const listQuerySchema = z.object({
  limit: z
    .string()
    .regex(/^\d{1,9}$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.int().min(1).max(1000))
    .optional(),
  after_id: z.string().optional(),
  before_id: z.string().optional(),
});
type ListQuery = z.infer<typeof listQuerySchema>;

const DEFAULT_LIMIT = 20;

export const listModels = defineEndpoint({
  method: 'GET',
  path: '/v1/models',
  summary: "Models that requests may name; with Anthropic's header, or where a page is asked for, in pages.",
  query: listQuerySchema,
  response: listSchema,
  async handle(call: Call<unknown, ListQuery>) {
    const { request, query } = call;
    const models = await allModels(call);
    const body: z.infer<typeof listSchema> = { object: 'list', data: models };
    const wantsPage = Object.values(query).some((value) => value !== undefined);
    if (!isAnthropic(request) && !wantsPage) return Response.json(body);
    const { page, has_more } = pageOf(models, query);
    const data = isAnthropic(request) ? page.map(asAnthropic) : page;
    const ends = { has_more, first_id: page[0]?.id ?? null, last_id: page.at(-1)?.id ?? null };
    return Response.json({ ...body, data, ...ends });
  },
});

/** Those after one, or just before one. @throws ApiError 400 for an id that is not listed */
function pageOf(
  models: readonly ModelBody[],
  { limit = DEFAULT_LIMIT, after_id: after, before_id: before }: ListQuery,
): { page: readonly ModelBody[]; has_more: boolean } {
  if (after !== undefined && before !== undefined)
    throw badCursor('before_id', "it cannot be combined with 'after_id': send one of them");
  if (before !== undefined) {
    const earlier = models.slice(0, placeOf(models, before, 'before_id'));
    return { page: earlier.slice(-limit), has_more: earlier.length > limit };
  }
  const later = after === undefined ? models : models.slice(placeOf(models, after, 'after_id') + 1);
  return { page: later.slice(0, limit), has_more: later.length > limit };
}

function placeOf(models: readonly ModelBody[], id: string, param: string): number {
  const place = models.findIndex((model) => model.id === id);
  if (place >= 0) return place;
  throw badCursor(param, `no model '${id}' is listed; expected 'first_id' or 'last_id' of a page`);
}

function badCursor(param: string, what: string): ApiError {
  return new ApiError(400, `Invalid '${param}': ${what}.`, { param, code: 'invalid_value' });
}

export const retrieveModel = defineEndpoint({
  method: 'GET',
  path: '/v1/models/{+model}',
  summary: 'One model.',
  response: shownSchema,
  async handle(call) {
    const { params, request } = call;
    const model = findNamed(await allModels(call), params.model ?? '', ({ id }) => id);
    if (!model) {
      throw new NotFoundError(
        `The model '${params.model}' is not served here. GET /v1/models lists those that are.`,
      );
    }
    return Response.json(isAnthropic(request) ? asAnthropic(model) : model);
  },
});

type ModelBody = z.infer<typeof modelSchema>;

async function allModels({ caller, services }: Call<unknown>): Promise<ModelBody[]> {
  const { models, embeddingModels, router, startedAt } = services;
  const offered = <Info extends ModelInfo | EmbeddingInfo>(
    infos: readonly Info[],
    provider: { status?(name: string): ModelStatus },
  ) => infos.map((info) => toModel(info, provider.status?.(info.name) ?? { state: 'loaded' }, startedAt));
  const here = [
    ...offered(await models.list(), models),
    ...offered(await embeddingModels.list(), embeddingModels),
  ];
  const elsewhere = (router?.list() ?? [])
    .filter(({ model }) => mayUse(caller, model) && !here.some(({ id }) => id === model))
    .map(({ model, upstream }): ModelBody => ({
      id: model,
      object: 'model',
      created: startedAt,
      owned_by: upstream,
      steelyard: { state: 'upstream', upstream },
    }));
  return [...here, ...elsewhere];
}

function isAnthropic({ headers }: Request): boolean {
  return headers.has('anthropic-version');
}

function asAnthropic(model: ModelBody): z.infer<typeof shownSchema> {
  const created_at = new Date(model.created * 1000).toISOString();
  return { ...model, type: 'model', display_name: model.id, created_at };
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
      ...('dimensions' in info ? (info.ranks ? { ranks: true } : { dimensions: info.dimensions }) : {}),
    },
  };
}
