/** `/v1/organization/usage/...` and `/v1/organization/costs`: what was used and spent, by day. */

import type { UsageKind, UsageRow } from '@steelyard/storage';
import { dayOf } from '../access/usage-meter.ts';
import { defineEndpoint, type Call } from '../endpoint.ts';
import {
  bucketsSchemaOf,
  costResultSchema,
  costsQuerySchema,
  toCostResults,
  toUsageResults,
  usageQuerySchema,
  usageResultSchemas,
  type CostsQuery,
  type UsageListQuery,
} from '../schemas/organization-usage.ts';
import { listed } from '../schemas/query-parts.ts';

const DAY_SECONDS = 86_400;

export const completionsUsage = usageOf('completions', 'of chats, responses, messages and completions');
export const embeddingsUsage = usageOf('embeddings', 'of vectors and of reranking');
export const moderationsUsage = usageOf('moderations', 'of moderations');

function usageOf(kind: UsageKind, what: string) {
  return defineEndpoint({
    method: 'GET',
    path: `/v1/organization/usage/${kind}`,
    summary:
      `Tokens and requests ${what} by day, and by project, key or model where that is asked for. The last second of ` +
      'other servers on the same database may be missing.',
    query: usageQuerySchema,
    response: bucketsSchemaOf(usageResultSchemas[kind]),
    handle(call: Call<unknown, UsageListQuery>) {
      const groups = listed(call.query.group_by, call.query['group_by[]']) ?? [];
      const models = listed(call.query.models, call.query['models[]']);
      const counts = (row: UsageRow) => row.kind === kind && (models?.includes(row.model) ?? true);
      return byDay(call, (rows) => toUsageResults(kind, rows.filter(counts), groups));
    },
  });
}

export const costs = defineEndpoint({
  method: 'GET',
  path: '/v1/organization/costs',
  summary:
    "Dollars by day, and by project, key or model (`line_item`) where that is asked for, by the server's prices.",
  query: costsQuerySchema,
  response: bucketsSchemaOf(costResultSchema),
  handle(call: Call<unknown, CostsQuery>) {
    const groups = listed(call.query.group_by, call.query['group_by[]']) ?? [];
    return byDay(call, (rows) => toCostResults(rows, groups, call.services.prices));
  },
});

async function byDay(
  { services, query }: Call<unknown, Omit<CostsQuery, 'group_by' | 'group_by[]'>>,
  toResults: (rows: readonly UsageRow[]) => readonly unknown[],
): Promise<Response> {
  const { usage } = await services.records();
  await services.countedUsage();
  const { start_time: start, end_time: end, page, limit = Infinity } = query;
  const projects = listed(query.project_ids ?? query.project_id, query['project_ids[]']);
  const keys = listed(query.api_key_ids ?? query.api_key_id, query['api_key_ids[]']);
  const all = await usage.list({
    from: page?.slice('page_'.length) ?? dayOf(new Date(start * 1_000)),
    ...(end === undefined ? {} : { to: dayOf(new Date((end + DAY_SECONDS - 1) * 1_000)) }),
  });
  const rows = all.filter(
    (row) => (projects?.includes(row.project) ?? true) && (keys?.includes(row.key) ?? true),
  );
  const days = [...new Set(rows.map(({ day }) => day))];
  const next = days[limit];
  const data = days.slice(0, limit).map((day) => {
    const startTime = Date.parse(`${day}T00:00:00Z`) / 1_000;
    return {
      object: 'bucket',
      start_time: startTime,
      end_time: startTime + DAY_SECONDS,
      results: toResults(rows.filter((row) => row.day === day)),
    };
  });
  return Response.json({
    object: 'page',
    data,
    has_more: next !== undefined,
    next_page: next === undefined ? null : `page_${next}`,
  });
}
