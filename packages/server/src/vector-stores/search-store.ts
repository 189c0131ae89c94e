/** Searches one vector store: the query's vector by the store's own model, filters over attributes, the best first. */

import type { FoundChunk, VectorStoreStore } from '@steelyard/storage';
import { embedTexts } from '../embed-texts.ts';
import type { Call } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import { matches, type Attributes } from '../schemas/attribute-filter.ts';
import type { SearchOptions } from '../schemas/vector-search.ts';

/** As OpenAI has it. */
const DEFAULT_RESULTS = 10;

export interface FoundText extends FoundChunk {
  readonly attributes: Attributes;
}

/**
 * @param queries each searched for by itself; a piece found by several has its best score
 * @throws NotFoundError for a store that is not there, or whose model is not served now; ApiError 400 when it is expired
 */
export async function searchStore(
  call: Call<unknown>,
  stores: VectorStoreStore,
  storeId: string,
  { queries, options }: { readonly queries: readonly string[]; readonly options: SearchOptions },
): Promise<FoundText[]> {
  const { model, isExpired } = await stores.get(storeId);
  if (isExpired) {
    throw new ApiError(400, `Vector store '${storeId}' is expired: what was in it is gone. Create another.`, {
      param: 'vector_store_id',
      code: 'vector_store_expired',
    });
  }
  const attributes = await stores.files(storeId).attributes();
  const { filters, ranking_options: ranking } = options;
  const limit = options.max_num_results ?? DEFAULT_RESULTS;
  const fileIds = filters
    ? [...attributes].flatMap(([id, own]) => (matches(own as Attributes, filters) ? [id] : []))
    : undefined;
  const { vectors } = await embedTexts(call, { model, texts: queries, param: 'query' });
  const weights = {
    embedding: ranking?.hybrid_search?.embedding_weight ?? 1,
    text: ranking?.hybrid_search?.text_weight ?? 1,
  };
  const byMeaning = ranking?.ranker === 'none';
  const best = new Map<string, FoundChunk>();
  for (const [i, vector] of vectors.entries()) {
    const found = await stores.search(storeId, {
      ...{ vector, weights, limit },
      ...(byMeaning ? {} : { text: queries[i]!.replaceAll('\0', ' ') }),
      ...(fileIds ? { fileIds } : {}),
    });
    for (const chunk of found) {
      const key = `${chunk.fileId} ${chunk.text}`;
      if ((best.get(key)?.score ?? -1) < chunk.score) best.set(key, chunk);
    }
  }
  return [...best.values()]
    .filter(({ score }) => score >= (ranking?.score_threshold ?? 0))
    .sort((a, b) => b.score - a.score)
    .slice(0, limit)
    .map((chunk) => ({ ...chunk, attributes: (attributes.get(chunk.fileId) ?? {}) as Attributes }));
}
