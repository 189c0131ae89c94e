/** Pages of items: their queries and their answers. */

import type { ItemPage, ItemQuery } from '@steelyard/storage';
import { z } from 'zod';
import { fromStoredItems } from '../responses/stored-responses.ts';
import { checkIncludeQuery, includeQuery } from './include.ts';
import { keptItemSchema } from './response-items.ts';

const MAX_PAGE = 100;
const DEFAULT_PAGE = 20;

export const itemListQuerySchema = z.strictObject({
  limit: z
    .string()
    .regex(/^\d{1,9}$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.int().min(1).max(MAX_PAGE))
    .default(DEFAULT_PAGE),
  order: z.enum(['asc', 'desc']).default('desc').describe('By time of arrival.'),
  after: z.string().optional().describe('Id of the last item of the page before.'),
  ...includeQuery,
});

export const itemListSchema = z.object({
  object: z.literal('list'),
  data: z.array(keptItemSchema),
  /** Empty where the page is. */
  first_id: z.string(),
  last_id: z.string(),
  has_more: z.boolean(),
});

export type ItemList = z.infer<typeof itemListSchema>;

/** @throws ApiError 400 for what cannot be included */
export function toItemQuery(query: z.infer<typeof itemListQuerySchema>): ItemQuery {
  checkIncludeQuery(query);
  const { limit, order, after } = query;
  return { limit, order, ...(after === undefined ? {} : { after }) };
}

export function toItemList({ items, hasMore }: ItemPage): ItemList {
  return {
    object: 'list',
    data: fromStoredItems(items),
    first_id: items[0]?.id ?? '',
    last_id: items.at(-1)?.id ?? '',
    has_more: hasMore,
  };
}
