/** Projects and keys on the wire, in OpenAI's shapes; what they have not is in the field `steelyard`. */

import type { Limits, Project, StoredKey } from '@steelyard/storage';
import { z } from 'zod';

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

/** No persons are known here: each key stands for itself, as a service's account does. */
const accountFields = { id: z.string(), name: z.string(), created_at: z.int() };

export const apiKeySchema = z.object({
  object: z.literal('organization.project.api_key'),
  ...keyFields,
  owner: z.object({
    type: z.literal('service_account'),
    service_account: z.object({ ...accountFields, role: z.literal('member') }),
  }),
  /** Inactive where the key is refused: revoked, or past its end. */
  owner_project_access: z.enum(['active', 'inactive']),
});
export const adminKeySchema = z.object({
  object: z.literal('organization.admin_api_key'),
  ...keyFields,
  expires_at: z.int().nullable(),
  owner: z.object({
    type: z.literal('service_account'),
    object: z.literal('organization.service_account'),
    ...accountFields,
    role: z.literal('owner'),
  }),
});

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

export type ProjectRequest = z.infer<typeof projectRequestSchema>;
export type ProjectUpdate = z.infer<typeof projectUpdateSchema>;
export type KeyRequest = z.infer<typeof keyRequestSchema>;
export type AdminKeyRequest = z.infer<typeof adminKeyRequestSchema>;
export type ListQuery = z.infer<typeof listQuerySchema>;
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
  const { id, name, createdAt: created_at, expiresAt: expires_at, revokedAt } = key;
  const account = { id, name, created_at };
  const fields = {
    ...account,
    redacted_value: key.shown,
    last_used_at: key.lastUsedAt,
    ...(value === undefined ? {} : { value }),
    steelyard: {
      scopes: [...key.scopes.endpoints],
      models: key.scopes.models ? [...key.scopes.models] : null,
      limits: toWireLimits(key.limits),
      expires_at,
      revoked_at: revokedAt,
    },
  };
  const type = 'service_account';
  if (key.scopes.admin) {
    const owner = { ...account, type, object: 'organization.service_account', role: 'owner' } as const;
    return { ...fields, object: 'organization.admin_api_key', expires_at, owner };
  }
  const isOver = revokedAt !== null || (expires_at !== null && expires_at * 1000 <= Date.now());
  return {
    ...fields,
    object: 'organization.project.api_key',
    owner: { type, service_account: { ...account, role: 'member' } },
    owner_project_access: isOver ? 'inactive' : 'active',
  };
}
