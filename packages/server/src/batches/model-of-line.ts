/** Which model a line of a batch means, checked before anything of the batch is computed. */

import type { ClaimedBatch } from '@steelyard/storage';
import { checkModel } from '../access/scopes.ts';
import type { Services } from '../endpoint.ts';
import { moderationFor } from '../endpoints/moderations.ts';
import { ApiError } from '../http/api-error.ts';
import { findNamed } from '../model-provider.ts';
import { askedBy } from './asked-by.ts';
import { batchable } from './batchable.ts';

/**
 * The model's name.
 * @param asked as the line has it
 * @throws ApiError for one that does not answer, or that the key may not use
 */
export type ModelOfLine = (asked: string | null | undefined) => string;

export const MODERATIONS = '/v1/moderations';
/** Endpoints of models that make vectors. */
const VECTORS = ['/v1/embeddings', '/v1/rerank'];

export async function modelOfLine(services: Services, batch: ClaimedBatch): Promise<ModelOfLine> {
  const caller = askedBy(batch);
  const { path, routable = false } = batchable(batch.endpoint);
  const provider = VECTORS.includes(path) ? services.embeddingModels : services.models;
  const infos: readonly { readonly name: string }[] = await provider.list();
  return (asked) => {
    if (typeof asked === 'string') checkModel(caller, asked);
    if (path === MODERATIONS) {
      const { model } = moderationFor(services, asked);
      checkModel(caller, model);
      return model;
    }
    // Lines for other endpoints have been refused without one.
    const name = asked!;
    if (findNamed(infos, name, (info) => info.name) || (routable && services.router?.upstreamOf(name)))
      return name;
    throw new ApiError(404, `The model '${name}' does not answer ${path} here.`, { code: 'model_not_found' });
  };
}
