/** Texts of a request to vectors: the model by name, admitted, stopped when the client leaves. */

import { NotFoundError, UnsupportedError } from '@steelyard/core';
import type { EmbeddingModel, Embeddings, EmbedOptions } from '@steelyard/engine';
import { admitted } from './admission.ts';
import type { Call, Services } from './endpoint.ts';
import { ApiError, promptRefusal } from './http/api-error.ts';
import { acquireModel, type AcquireOptions, type Lease } from './model-provider.ts';
import type { Place } from './queue/fair-queue.ts';
import { giveEmbeddingReceipts } from './receipts/give-receipt.ts';
import type { AnyReceipt } from './receipts/any-receipt.ts';
import type { UpstreamVectors } from './receipts/upstream-receipt.ts';
import { GenerationWatch } from './telemetry/generation-watch.ts';

export const EMBEDDINGS_PATH = '/v1/embeddings';

interface ModelPlan {
  /** Name of the model asked for. */
  readonly model: string;
  /** The parameter at fault when a text is too long. */
  readonly param: 'input' | 'documents' | 'query';
  /** For metrics and traces. Default `/v1/embeddings`. */
  readonly endpoint?: string;
  /** How long the model stays loaded from now on once nobody uses it. */
  readonly keepAliveMs?: number;
}

interface TextsPlan extends ModelPlan {
  readonly texts: Parameters<EmbeddingModel['embed']>[0];
  readonly options?: EmbedOptions;
  /** Texts that are too long are cut. Default false. */
  readonly truncate?: boolean;
}

/** @throws NotFoundError for a model that is not served or makes no vectors; whatever the engine throws */
export function embedTexts(
  call: Call<unknown>,
  { texts, options, truncate = false, ...plan }: TextsPlan,
): Promise<Embeddings & { readonly model: string; readonly receipts: readonly AnyReceipt[] }> {
  return withEmbedder(call, plan, async (model, signal) => {
    const given = truncate ? cut(texts, model) : texts;
    const made: Embeddings & Partial<UpstreamVectors> = await model.embed(given, { ...options, signal });
    const { vectors, promptTokens, elsewhere } = made;
    const { endpoint = EMBEDDINGS_PATH } = plan;
    const ended = { endpoint, model, texts: given, vectors, promptTokens, elsewhere };
    return { vectors, promptTokens, receipts: await giveEmbeddingReceipts(call, ended) };
  });
}

/**
 * Runs work on a model for vectors or scores, admitted, and charges its tokens.
 * @throws as `embedTexts`
 */
export function withEmbedder<Result extends { readonly promptTokens: number }>(
  call: Call<unknown>,
  { model: name, param, endpoint = EMBEDDINGS_PATH, keepAliveMs }: ModelPlan,
  work: (model: EmbeddingModel, signal: AbortSignal) => Promise<Result>,
): Promise<Result & { readonly model: string }> {
  return admitted(call, name, async (stop) => {
    const { signal } = stop;
    const watch = new GenerationWatch(call, { endpoint, model: name });
    let lease: Lease<EmbeddingModel> | undefined;
    let place: Place | undefined;
    try {
      lease = await acquireEmbedder(call.services, name, {
        signal,
        ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
      });
      const { model } = lease;
      watch.loaded(model.info.name);
      place = await call.services.queues.enter(call, model.info.name, { maxTokens: 0 }, stop);
      watch.placed();
      const result = await work(model, signal);
      const inputTokens = result.promptTokens;
      watch.embedded(inputTokens);
      call.services.charge(call.caller, {
        ...{ model: model.info.name, kind: 'embeddings' },
        ...{ inputTokens, cachedTokens: 0, outputTokens: 0 },
      });
      watch.end();
      return { ...result, model: model.info.name };
    } catch (error) {
      watch.end(error);
      throw promptRefusal(error, param);
    } finally {
      place?.done();
      lease?.release();
    }
  });
}

/** The first tokens of each text that fit; most models put a mark at the end, which stays. */
function cut(texts: TextsPlan['texts'], model: EmbeddingModel): TextsPlan['texts'] {
  const { contextLength } = model.info;
  if (contextLength === Infinity) return texts;
  return texts.map((text) => {
    const ids = typeof text === 'string' ? model.tokenize(text) : text;
    if (ids.length <= contextLength) return text;
    return [...ids.slice(0, contextLength - 1), ids.at(-1)!];
  });
}

async function acquireEmbedder(
  { embeddingModels }: Services,
  name: string,
  options: AcquireOptions,
): Promise<Lease<EmbeddingModel>> {
  try {
    return await acquireModel(embeddingModels, name, options);
  } catch (error) {
    if (error instanceof UnsupportedError) {
      const param = 'model';
      throw new ApiError(400, error.message, { param, code: 'unsupported_value', cause: error });
    }
    if (!(error instanceof NotFoundError)) throw error;
    const known = (await embeddingModels.list()).map((info) => `'${info.name}'`).join(', ') || 'none';
    throw new NotFoundError(
      `The model '${name}' makes no vectors here; models that do: ${known}. To serve one: steelyard serve MODEL.`,
    );
  }
}
