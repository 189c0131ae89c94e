/** Attributes of files in vector stores, and filters over them: as they come, and whether they hold. */

import { z } from 'zod';

const MAX_PAIRS = 16;
const MAX_KEY = 64;
const MAX_VALUE = 512;

const key = z.string().min(1).max(MAX_KEY);
const value = z.union([z.string().max(MAX_VALUE), z.number(), z.boolean()]);

export const attributesSchema = z
  .record(key, value)
  .refine((pairs) => Object.keys(pairs).length <= MAX_PAIRS, `expected at most ${MAX_PAIRS} pairs.`);

const single = (type: 'eq' | 'ne') => z.strictObject({ type: z.literal(type), key, value });
const ordered = (type: 'gt' | 'gte' | 'lt' | 'lte') =>
  z.strictObject({ type: z.literal(type), key, value: z.union([z.number(), z.string().max(MAX_VALUE)]) });
const listed = (type: 'in' | 'nin') =>
  z.strictObject({
    type: z.literal(type),
    key,
    value: z.array(z.union([z.string().max(MAX_VALUE), z.number()])).max(1_000),
  });

const comparisons = [
  single('eq'),
  single('ne'),
  ordered('gt'),
  ordered('gte'),
  ordered('lt'),
  ordered('lte'),
  listed('in'),
  listed('nin'),
] as const;

const comparisonSchema = z.discriminatedUnion('type', comparisons);
const compound = <Inner extends z.ZodType>(type: 'and' | 'or', inner: Inner) =>
  z.strictObject({ type: z.literal(type), filters: z.array(inner).min(1).max(100) });
/** Three levels of compounds are as many as a document can show. */
const nested = <Inner extends z.ZodType>(inner: Inner) =>
  z.discriminatedUnion('type', [...comparisons, compound('and', inner), compound('or', inner)]);

export const attributeFilterSchema = nested(nested(nested(comparisonSchema)));

export type Attributes = z.infer<typeof attributesSchema>;
type Value = Attributes[string];
type Comparison = z.infer<typeof comparisonSchema>;
export type AttributeFilter =
  Comparison | { readonly type: 'and' | 'or'; readonly filters: readonly AttributeFilter[] };

/** An attribute that a file has not equals nothing and is in no order. */
export function matches(attributes: Attributes, filter: AttributeFilter): boolean {
  if ('filters' in filter) {
    const holds = (inner: AttributeFilter) => matches(attributes, inner);
    return filter.type === 'and' ? filter.filters.every(holds) : filter.filters.some(holds);
  }
  const own = Object.hasOwn(attributes, filter.key) ? attributes[filter.key] : undefined;
  return compare(own, filter);
}

function compare(own: Value | undefined, filter: Comparison): boolean {
  switch (filter.type) {
    case 'eq':
      return own === filter.value;
    case 'ne':
      return own !== filter.value;
    case 'in':
      return (filter.value as readonly (Value | undefined)[]).includes(own);
    case 'nin':
      return !(filter.value as readonly (Value | undefined)[]).includes(own);
    default:
      if (own === undefined || typeof own !== typeof filter.value) return false;
      if (filter.type === 'gt') return own > filter.value;
      if (filter.type === 'gte') return own >= filter.value;
      return filter.type === 'lt' ? own < filter.value : own <= filter.value;
  }
}
