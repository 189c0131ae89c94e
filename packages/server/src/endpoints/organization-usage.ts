/** `/v1/organization/usage/completions` and `/v1/organization/costs`: what was used and spent, by day. */

import type { UsageRow } from '@steelyard/storage';
import { dayOf } from '../access/usage-meter.ts';
import { defineEndpoint, type Call } from '../endpoint.ts';
import {
  bucketsSchemaOf,
  costResultSchema,
  toCostResult,
  toUsageResult,
  usageQuerySchema,
  usageResultSchema,
  type UsageListQuery,
} from '../schemas/organization.ts';

const DAY_SECONDS = 86_400;

export const completionsUsage = defineEndpoint({
  method: 'GET',
  path: '/v1/organization/usage/completions',
  summary:
    'Tokens and requests by day, project, key and model; embeddings too. The last second may be missing.',
  query: usageQuerySchema,
  response: bucketsSchemaOf(usageResultSchema),
  handle: (call: Call<unknown, UsageListQuery>) => byDay(call, toUsageResult),
});

export const costs = defineEndpoint({
  method: 'GET',
  path: '/v1/organization/costs',
  summary: "Dollars by day, project and model, by the server's prices.",
  query: usageQuerySchema,
  response: bucketsSchemaOf(costResultSchema),
  handle: (call: Call<unknown, UsageListQuery>) =>
    byDay(call, (row) => toCostResult(row, call.services.prices)),
});

async function byDay(
  { services, query }: Call<unknown, UsageListQuery>,
  toResult: (row: UsageRow) => unknown,
): Promise<Response> {
  const { usage } = await services.records();
  const { start_time: start, end_time: end, project_id: project, api_key_id: key } = query;
  const rows = await usage.list({
    from: dayOf(new Date(start * 1_000)),
    ...(end === undefined ? {} : { to: dayOf(new Date((end + DAY_SECONDS - 1) * 1_000)) }),
    ...(project === undefined ? {} : { project }),
    ...(key === undefined ? {} : { key }),
  });
  const days = [...new Set(rows.map(({ day }) => day))];
  const data = days.map((day) => {
    const startTime = Date.parse(`${day}T00:00:00Z`) / 1_000;
    return {
      object: 'bucket',
      start_time: startTime,
      end_time: startTime + DAY_SECONDS,
      results: rows.filter((row) => row.day === day).map(toResult),
    };
  });
  return Response.json({ object: 'page', data, has_more: false, next_page: null });
}
