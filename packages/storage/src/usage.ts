/** Counters of what was used, by day, project, key, model and kind. What it costs is computed by who knows the prices. */

import { and, gte, lt, sql, sum, eq } from 'drizzle-orm';
import type { Database } from './database.ts';
import { usage, type UsageKind } from './schema-access.ts';

export type UsageRow = typeof usage.$inferSelect;

export interface UsageQuery {
  /** `2026-01-01`: from this day on, UTC. */
  readonly from: string;
  /** Before this day. Default: no end. */
  readonly to?: string;
  readonly project?: string;
  readonly key?: string;
  readonly kind?: UsageKind;
}

export interface UsageStore {
  /** Adds to the counters; rows of one counter are given once. */
  add(rows: readonly UsageRow[]): Promise<void>;
  /** In the order of days, projects, keys, models and kinds. */
  list(query: UsageQuery): Promise<UsageRow[]>;
  /** By model, over all days asked for. */
  totals(query: UsageQuery): Promise<readonly Pick<UsageRow, 'model' | 'inputTokens' | 'outputTokens'>[]>;
}

export function usageStore(db: Database): UsageStore {
  return {
    async add(rows) {
      if (rows.length === 0) return;
      const plus = (name: string) => sql.raw(`"usage"."${name}" + excluded."${name}"`);
      await db
        .insert(usage)
        .values([...rows])
        .onConflictDoUpdate({
          target: [usage.day, usage.project, usage.key, usage.model, usage.kind],
          set: {
            requests: plus('requests'),
            inputTokens: plus('input_tokens'),
            cachedTokens: plus('cached_tokens'),
            outputTokens: plus('output_tokens'),
          },
        });
    },
    list: (query) =>
      db
        .select()
        .from(usage)
        .where(matching(query))
        .orderBy(usage.day, usage.project, usage.key, usage.model, usage.kind),
    async totals(query) {
      const rows = await db
        .select({
          model: usage.model,
          inputTokens: sum(usage.inputTokens),
          outputTokens: sum(usage.outputTokens),
        })
        .from(usage)
        .where(matching(query))
        .groupBy(usage.model);
      return rows.map(({ model, inputTokens, outputTokens }) => ({
        model,
        inputTokens: Number(inputTokens),
        outputTokens: Number(outputTokens),
      }));
    },
  };
}

function matching({ from, to, project, key, kind }: UsageQuery) {
  return and(
    gte(usage.day, from),
    to === undefined ? undefined : lt(usage.day, to),
    project === undefined ? undefined : eq(usage.project, project),
    key === undefined ? undefined : eq(usage.key, key),
    kind === undefined ? undefined : eq(usage.kind, kind),
  );
}
