/** Usage and costs on the wire, in OpenAI's shapes: sums by day, and by what they are grouped by. */

import type { UsageKind, UsageRow } from '@steelyard/storage';
import { z } from 'zod';
import { costOf, type Prices } from '../access/prices.ts';
import { queryList, unixTime } from './query-parts.ts';

/** Longest page in days, as OpenAI's. */
const MAX_DAYS = 31;

const period = {
  start_time: unixTime.describe('Unix seconds; its whole day counts, UTC.'),
  end_time: unixTime.optional().describe('Unix seconds, exclusive. Default now.'),
  bucket_width: z.literal('1d').optional(),
  limit: z
    .string()
    .regex(/^\d{1,3}$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.int().min(1).max(MAX_DAYS))
    .optional()
    .describe('Days per page that have any. Default: all on one page.'),
  page: z
    .string()
    .regex(/^page_\d{4}-\d{2}-\d{2}$/, "expected 'next_page' of the page before")
    .optional(),
};
const among = { ...queryList('project_ids', z.string()), ...queryList('api_key_ids', z.string()) };
/** Names from before OpenAI's were taken. */
const single = { project_id: z.string().optional(), api_key_id: z.string().optional() };

export const usageGroups = ['project_id', 'api_key_id', 'model'] as const;
export const usageQuerySchema = z.object({
  ...{ ...period, ...among, ...single },
  ...queryList('models', z.string()),
  ...queryList('group_by', z.enum(usageGroups)),
});

export const costGroups = ['project_id', 'api_key_id', 'line_item'] as const;
export const costsQuerySchema = z.object({
  ...{ ...period, ...among, ...single },
  ...queryList('group_by', z.enum(costGroups)),
});

const usedBy = {
  num_model_requests: z.int(),
  /** Null, like those below, where it was not grouped by. */
  project_id: z.string().nullable(),
  api_key_id: z.string().nullable(),
  model: z.string().nullable(),
};

export const usageResultSchemas = {
  completions: z.object({
    object: z.literal('organization.usage.completions.result'),
    input_tokens: z.int(),
    output_tokens: z.int(),
    input_cached_tokens: z.int(),
    ...usedBy,
  }),
  embeddings: z.object({
    object: z.literal('organization.usage.embeddings.result'),
    input_tokens: z.int(),
    ...usedBy,
  }),
  moderations: z.object({
    object: z.literal('organization.usage.moderations.result'),
    input_tokens: z.int(),
    ...usedBy,
    /** Extension: what the model that judges wrote. */
    steelyard: z.object({ output_tokens: z.int() }),
  }),
} satisfies Record<UsageKind, z.ZodType>;

export const costResultSchema = z.object({
  object: z.literal('organization.costs.result'),
  amount: z.object({ value: z.number(), currency: z.literal('usd') }),
  /** Name of the model; null, like those below, where it was not grouped by. */
  line_item: z.string().nullable(),
  project_id: z.string().nullable(),
  api_key_id: z.string().nullable(),
});

export function bucketsSchemaOf<T extends z.ZodType>(result: T) {
  const bucket = z.object({
    object: z.literal('bucket'),
    start_time: z.int(),
    end_time: z.int(),
    results: z.array(result),
  });
  return z.object({
    object: z.literal('page'),
    data: z.array(bucket),
    has_more: z.boolean(),
    next_page: z.string().nullable(),
  });
}

export type UsageListQuery = z.infer<typeof usageQuerySchema>;
export type CostsQuery = z.infer<typeof costsQuerySchema>;
type UsageResult = z.infer<(typeof usageResultSchemas)[UsageKind]>;
type UsageGroups = readonly (typeof usageGroups)[number][];
type CostGroups = readonly (typeof costGroups)[number][];

/** One result for each combination of what is grouped by, in the order of the rows. */
export function toUsageResults(
  kind: UsageKind,
  rows: readonly UsageRow[],
  groups: UsageGroups,
): UsageResult[] {
  return grouped(rows, (row) => ({
    project_id: groups.includes('project_id') ? row.project : null,
    api_key_id: groups.includes('api_key_id') && row.key !== '' ? row.key : null,
    model: groups.includes('model') ? row.model : null,
  })).map(([group, members]) => {
    const input_tokens = total(members, (row) => row.inputTokens);
    const output_tokens = total(members, (row) => row.outputTokens);
    const shared = { input_tokens, num_model_requests: total(members, (row) => row.requests), ...group };
    switch (kind) {
      case 'completions':
        return {
          ...{ object: 'organization.usage.completions.result', output_tokens, ...shared },
          input_cached_tokens: total(members, (row) => row.cachedTokens),
        };
      case 'embeddings':
        return { object: 'organization.usage.embeddings.result', ...shared };
      case 'moderations':
        return {
          ...{ object: 'organization.usage.moderations.result', ...shared },
          steelyard: { output_tokens },
        };
    }
  });
}

export function toCostResults(
  rows: readonly UsageRow[],
  groups: CostGroups,
  prices: Prices,
): z.infer<typeof costResultSchema>[] {
  return grouped(rows, (row) => ({
    line_item: groups.includes('line_item') ? row.model : null,
    project_id: groups.includes('project_id') ? row.project : null,
    api_key_id: groups.includes('api_key_id') && row.key !== '' ? row.key : null,
  })).map(([group, members]) => ({
    object: 'organization.costs.result',
    amount: { value: total(members, (row) => costOf(prices, row)), currency: 'usd' },
    ...group,
  }));
}

function grouped<Group>(
  rows: readonly UsageRow[],
  groupOf: (row: UsageRow) => Group,
): readonly (readonly [Group, readonly UsageRow[]])[] {
  const groups = new Map<string, [Group, UsageRow[]]>();
  for (const row of rows) {
    const group = groupOf(row);
    const key = JSON.stringify(group);
    const known = groups.get(key);
    if (known) known[1].push(row);
    else groups.set(key, [group, [row]]);
  }
  return [...groups.values()];
}

function total(rows: readonly UsageRow[], of: (row: UsageRow) => number): number {
  return rows.reduce((sum, row) => sum + of(row), 0);
}
