/** Pages of lists with cursors: their queries and their answers. */

import { z } from 'zod';

const MAX_PAGE = 100;
const DEFAULT_PAGE = 20;

/** Fields of a query for a page. @param order when none is asked for */
export const pageFields = (order: 'asc' | 'desc') => ({
  limit: z
    .string()
    .regex(/^\d{1,9}$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.int().min(1).max(MAX_PAGE))
    .default(DEFAULT_PAGE),
  order: z.enum(['asc', 'desc']).default(order),
  after: z.string().optional(),
});

export const listOf = <Schema extends z.ZodType>(schema: Schema) =>
  z.object({
    object: z.literal('list'),
    data: z.array(schema),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  });

export function toList<Entry extends { readonly id: string }>(data: Entry[], has_more: boolean) {
  return {
    object: 'list' as const,
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more,
  };
}
