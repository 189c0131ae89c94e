/** Tables of projects, keys and what they used. */

import { bigint, boolean, customType, index, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';

export interface Limits {
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
  /** Tokens in and out in a calendar month, UTC. */
  readonly tokensPerMonth?: number;
  /** Of the server's prices, in a calendar month, UTC. */
  readonly dollarsPerMonth?: number;
}

export interface KeyScopes {
  readonly admin: boolean;
  readonly endpoints: readonly string[];
  /** Absent: all. */
  readonly models?: readonly string[];
}

const jsonOf = <T>() =>
  customType<{ data: T; driverData: string }>({
    dataType: () => 'text',
    toDriver: (value) => JSON.stringify(value),
    fromDriver: (value) => JSON.parse(value) as T,
  });

/** What tokens were used for, as reports tell them apart. */
export type UsageKind = 'completions' | 'embeddings' | 'moderations';

/** Unix seconds, as all times here. */
const seconds = (name: string) => bigint(name, { mode: 'number' });

export const projects = pgTable('projects', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  createdAt: seconds('created_at').notNull(),
  /** Its keys are refused from then on. */
  archivedAt: seconds('archived_at'),
  /** Whether the request log holds what is asked and answered. */
  logsContent: boolean('logs_content').notNull(),
  limits: jsonOf<Limits>()('limits').notNull(),
});

export const apiKeys = pgTable('api_keys', {
  id: text('id').primaryKey(),
  project: text('project')
    .notNull()
    .references(() => projects.id),
  name: text('name').notNull(),
  /** SHA-256 in hex of the key, which is nowhere. */
  hash: text('hash').notNull().unique(),
  /** What people may see of the key. */
  shown: text('shown').notNull(),
  scopes: jsonOf<KeyScopes>()('scopes').notNull(),
  limits: jsonOf<Limits>()('limits').notNull(),
  createdAt: seconds('created_at').notNull(),
  expiresAt: seconds('expires_at'),
  revokedAt: seconds('revoked_at'),
  lastUsedAt: seconds('last_used_at'),
});

/** What was used, by day. */
export const usage = pgTable(
  'usage',
  {
    /** `2026-01-31`, UTC. */
    day: text('day').notNull(),
    project: text('project').notNull(),
    /** Empty where no key was asked for. */
    key: text('key').notNull(),
    model: text('model').notNull(),
    /** All that was counted before kinds were is `completions`. */
    kind: text('kind').$type<UsageKind>().notNull(),
    requests: bigint('requests', { mode: 'number' }).notNull(),
    inputTokens: bigint('input_tokens', { mode: 'number' }).notNull(),
    /** Of the input, those found in the cache. */
    cachedTokens: bigint('cached_tokens', { mode: 'number' }).notNull(),
    outputTokens: bigint('output_tokens', { mode: 'number' }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.day, table.project, table.key, table.model, table.kind] }),
    index('usage_key').on(table.key, table.day),
  ],
);
