/** The audit log on the wire: in OpenAI's words where it has words for what happened; the chain of hashes is an extension. */

import type { AuditEntry } from '@steelyard/storage';
import { z } from 'zod';
import { queryList, unixTime } from './query-parts.ts';

/** OpenAI's names of what this server calls otherwise. */
const TYPES: Readonly<Record<string, string>> = {
  'key.created': 'api_key.created',
  'key.revoked': 'api_key.deleted',
};
const ACTIONS = new Map(Object.entries(TYPES).map(([action, type]) => [type, action]));

const entryId = z
  .string()
  .regex(/^audit_log-\d{1,15}$/, 'expected the id of an entry')
  .transform((id) => Number(id.slice('audit_log-'.length)));

export const auditQuerySchema = z.object({
  limit: z
    .string()
    .regex(/^\d{1,9}$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.int().min(1).max(100))
    .default(20),
  after: entryId.optional().describe('Id of the last entry of the page before: older ones follow.'),
  before: entryId.optional().describe('Id of an entry: only newer ones.'),
  'effective_at[gt]': unixTime.optional(),
  'effective_at[gte]': unixTime.optional(),
  'effective_at[lt]': unixTime.optional(),
  'effective_at[lte]': unixTime.optional(),
  ...queryList('project_ids', z.string()),
  ...queryList('event_types', z.string()),
  ...queryList('actor_ids', z.string()),
  ...queryList('resource_ids', z.string()),
});

const ofId = z.object({ id: z.string() }).optional();

export const auditLogSchema = z.object({
  id: z.string(),
  type: z.string().describe("OpenAI's names where it has one; else this server's own: `response.created`."),
  effective_at: z.int(),
  /** Absent where nobody's key asked. */
  actor: z
    .object({
      type: z.literal('api_key'),
      api_key: z.object({
        id: z.string(),
        type: z.literal('service_account'),
        service_account: z.object({ id: z.string() }),
      }),
    })
    .optional(),
  project: z.object({ id: z.string() }),
  'api_key.created': z
    .object({ id: z.string(), data: z.object({ scopes: z.array(z.string()) }).optional() })
    .optional(),
  'api_key.deleted': ofId,
  'project.created': z.object({ id: z.string(), data: z.object({ name: z.string() }) }).optional(),
  'project.updated': z
    .object({ id: z.string(), changes_requested: z.object({ title: z.string().optional() }) })
    .optional(),
  'project.archived': ofId,
  steelyard: z.object({
    /** Its place in the log, from 1. */
    sequence: z.int(),
    /** To the millisecond, as the hash covers it. */
    time: z.string(),
    /** By this server's own name. */
    action: z.string(),
    /** Id of what it was done to. */
    subject: z.string().nullable(),
    details: z.record(z.string(), z.unknown()),
    previous: z.string(),
    hash: z.string(),
  }),
});

export type AuditLogQuery = z.infer<typeof auditQuerySchema>;
export type AuditLogObject = z.infer<typeof auditLogSchema>;

/** This server's name of an event type. */
export function actionOf(type: string): string {
  return ACTIONS.get(type) ?? type;
}

export function toAuditLog(entry: AuditEntry): AuditLogObject {
  const { sequence, action, subject, details, previous, hash, actor, project, time } = entry;
  const key = actor === null ? undefined : { id: actor, type: 'service_account' as const };
  return {
    id: `audit_log-${sequence}`,
    type: TYPES[action] ?? action,
    effective_at: Math.floor(Date.parse(time) / 1000),
    ...(key ? { actor: { type: 'api_key', api_key: { ...key, service_account: { id: key.id } } } } : {}),
    project: { id: project },
    ...detailsOf(action, subject ?? '', details),
    steelyard: { sequence, time, action, subject, details: { ...details }, previous, hash },
  };
}

function detailsOf(
  action: string,
  id: string,
  details: Readonly<Record<string, unknown>>,
): Partial<AuditLogObject> {
  const name = typeof details['name'] === 'string' ? details['name'] : undefined;
  switch (action) {
    case 'key.created': {
      const { endpoints } = (details['scopes'] ?? {}) as { endpoints?: string[] };
      return { 'api_key.created': { id, ...(endpoints ? { data: { scopes: endpoints } } : {}) } };
    }
    case 'key.revoked':
      return { 'api_key.deleted': { id } };
    case 'project.created':
      return { 'project.created': { id, data: { name: name ?? '' } } };
    case 'project.updated':
      return { 'project.updated': { id, changes_requested: name === undefined ? {} : { title: name } } };
    case 'project.archived':
      return { 'project.archived': { id } };
    default:
      return {};
  }
}
