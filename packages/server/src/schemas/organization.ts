/** Projects, keys and usage on the wire, in OpenAI's shapes; what they have not is in the field `steelyard`. */

import type { Limits, Project, StoredKey, UsageRow } from '@steelyard/storage';
import { z } from 'zod';
import { costOf, type Prices } from '../access/prices.ts';

const name = z.string().min(1).max(200);

const limitsSchema = z.strictObject({
  requests_per_minute: z.int().min(1).optional(),
  tokens_per_minute: z.int().min(1).optional(),
  tokens_per_month: z.int().min(1).optional().describe('In and out, by calendar month, UTC.'),
  dollars_per_month: z.number().positive().optional().describe("By the server's prices."),
});

export const projectRequestSchema = z.strictObject({
  name,
  logs_content: z
    .boolean()
    .optional()
    .describe("Whether the server's log of requests holds what is asked and answered. Default false."),
  limits: limitsSchema.optional(),
});
export const projectUpdateSchema = projectRequestSchema.partial();

export const keyRequestSchema = z.strictObject({
  name,
  scopes: z
    .array(z.string().regex(/^[a-z_]+(:read)?$/, 'expected `all`, `read`, a group or `group:read`'))
    .min(1)
    .max(50)
    .optional()
    .describe('`all`, `read`, or groups of endpoints: `chat`, `files:read`. Default all.'),
  models: z.array(z.string().min(1).max(300)).min(1).max(200).optional().describe('Default all.'),
  limits: limitsSchema.optional(),
  expires_at: z.int().positive().optional().describe('Unix seconds. Default never.'),
});
export const adminKeyRequestSchema = keyRequestSchema.pick({ name: true, expires_at: true });

export const projectSchema = z.object({
  id: z.string(),
  object: z.literal('organization.project'),
  name: z.string(),
  created_at: z.int(),
  archived_at: z.int().nullable(),
  status: z.enum(['active', 'archived']),
  steelyard: z.object({ logs_content: z.boolean(), limits: limitsSchema }),
});

const keyFields = {
  id: z.string(),
  name: z.string(),
  redacted_value: z.string(),
  created_at: z.int(),
  last_used_at: z.int().nullable(),
  /** The key itself; only in the answer that makes it. */
  value: z.string().optional(),
  steelyard: z.object({
    scopes: z.array(z.string()),
    models: z.array(z.string()).nullable(),
    limits: limitsSchema,
    expires_at: z.int().nullable(),
    revoked_at: z.int().nullable(),
  }),
};
export const apiKeySchema = z.object({ object: z.literal('organization.project.api_key'), ...keyFields });
export const adminKeySchema = z.object({ object: z.literal('organization.admin_api_key'), ...keyFields });

export const keyDeletedSchema = z.object({
  id: z.string(),
  object: z.enum(['organization.project.api_key.deleted', 'organization.admin_api_key.deleted']),
  deleted: z.literal(true),
});

export const listQuerySchema = z.object({
  limit: z
    .string()
    .regex(/^\d{1,9}$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.int().min(1).max(100))
    .default(20),
  after: z.string().optional(),
  include_archived: z.enum(['true', 'false']).optional(),
});

export function listSchemaOf<T extends z.ZodType>(entry: T) {
  return z.object({
    object: z.literal('list'),
    data: z.array(entry),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  });
}

const unixTime = z
  .string()
  .regex(/^\d{1,11}$/, 'expected Unix seconds')
  .transform(Number);

export const usageQuerySchema = z.object({
  start_time: unixTime.describe('Unix seconds; its whole day counts, UTC.'),
  end_time: unixTime.optional().describe('Unix seconds, exclusive. Default now.'),
  bucket_width: z.literal('1d').optional(),
  project_id: z.string().optional(),
  api_key_id: z.string().optional(),
});

export const usageResultSchema = z.object({
  object: z.literal('organization.usage.completions.result'),
  input_tokens: z.int(),
  output_tokens: z.int(),
  input_cached_tokens: z.int(),
  num_model_requests: z.int(),
  project_id: z.string(),
  api_key_id: z.string().nullable(),
  model: z.string(),
});

export const costResultSchema = z.object({
  object: z.literal('organization.costs.result'),
  amount: z.object({ value: z.number(), currency: z.literal('usd') }),
  line_item: z.string(),
  project_id: z.string(),
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
    next_page: z.null(),
  });
}

export type ProjectRequest = z.infer<typeof projectRequestSchema>;
export type ProjectUpdate = z.infer<typeof projectUpdateSchema>;
export type KeyRequest = z.infer<typeof keyRequestSchema>;
export type AdminKeyRequest = z.infer<typeof adminKeyRequestSchema>;
export type ListQuery = z.infer<typeof listQuerySchema>;
export type UsageListQuery = z.infer<typeof usageQuerySchema>;
export type ProjectObject = z.infer<typeof projectSchema>;
export type KeyObject = z.infer<typeof apiKeySchema> | z.infer<typeof adminKeySchema>;

type WireLimits = z.infer<typeof limitsSchema>;

export function fromWireLimits(limits: WireLimits): Limits {
  const renamed = {
    requestsPerMinute: limits.requests_per_minute,
    tokensPerMinute: limits.tokens_per_minute,
    tokensPerMonth: limits.tokens_per_month,
    dollarsPerMonth: limits.dollars_per_month,
  };
  return Object.fromEntries(Object.entries(renamed).filter(([, value]) => value !== undefined));
}

function toWireLimits(limits: Limits): WireLimits {
  const renamed = {
    requests_per_minute: limits.requestsPerMinute,
    tokens_per_minute: limits.tokensPerMinute,
    tokens_per_month: limits.tokensPerMonth,
    dollars_per_month: limits.dollarsPerMonth,
  };
  return Object.fromEntries(Object.entries(renamed).filter(([, value]) => value !== undefined));
}

export function toProject(project: Project): ProjectObject {
  return {
    id: project.id,
    object: 'organization.project',
    name: project.name,
    created_at: project.createdAt,
    archived_at: project.archivedAt,
    status: project.archivedAt === null ? 'active' : 'archived',
    steelyard: { logs_content: project.logsContent, limits: toWireLimits(project.limits) },
  };
}

/** @param value the key itself, when it was just made */
export function toKey(key: StoredKey, value?: string): KeyObject {
  return {
    object: key.scopes.admin ? 'organization.admin_api_key' : 'organization.project.api_key',
    id: key.id,
    name: key.name,
    redacted_value: key.shown,
    created_at: key.createdAt,
    last_used_at: key.lastUsedAt,
    ...(value === undefined ? {} : { value }),
    steelyard: {
      scopes: [...key.scopes.endpoints],
      models: key.scopes.models ? [...key.scopes.models] : null,
      limits: toWireLimits(key.limits),
      expires_at: key.expiresAt,
      revoked_at: key.revokedAt,
    },
  };
}

export function toUsageResult(row: UsageRow): z.infer<typeof usageResultSchema> {
  return {
    object: 'organization.usage.completions.result',
    input_tokens: row.inputTokens,
    output_tokens: row.outputTokens,
    input_cached_tokens: row.cachedTokens,
    num_model_requests: row.requests,
    project_id: row.project,
    api_key_id: row.key === '' ? null : row.key,
    model: row.model,
  };
}

export function toCostResult(row: UsageRow, prices: Prices): z.infer<typeof costResultSchema> {
  return {
    object: 'organization.costs.result',
    amount: { value: costOf(prices, row), currency: 'usd' },
    line_item: row.model,
    project_id: row.project,
  };
}
