/** `/v1/organization/audit_logs`: what was done on this server, newest first. */

import { defineEndpoint, type Call } from '../endpoint.ts';
import {
  actionOf,
  auditLogSchema,
  auditQuerySchema,
  toAuditLog,
  type AuditLogQuery,
} from '../schemas/audit-logs.ts';
import { listSchemaOf } from '../schemas/organization.ts';
import { listed } from '../schemas/query-parts.ts';

export const auditLogs = defineEndpoint({
  method: 'GET',
  path: '/v1/organization/audit_logs',
  summary:
    'What was done to keys and projects, what was answered, and where; newest first, in pages. Never what was said.',
  query: auditQuerySchema,
  response: listSchemaOf(auditLogSchema),
  async handle({ services, query }: Call<unknown, AuditLogQuery>) {
    const { audit } = await services.records();
    const { limit, after, before } = query;
    const filters = {
      projects: listed(query.project_ids, query['project_ids[]']),
      actors: listed(query.actor_ids, query['actor_ids[]']),
      subjects: listed(query.resource_ids, query['resource_ids[]']),
      actions: listed(query.event_types, query['event_types[]'])?.map(actionOf),
      ...periodOf(query),
      // The log counts upwards, the list downwards.
      before: after,
      after: before,
    };
    const given = Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== undefined));
    const { entries, hasMore } = await audit.list({ limit, ...given });
    const data = entries.map(toAuditLog);
    return Response.json({
      object: 'list',
      data,
      first_id: data[0]?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
      has_more: hasMore,
    });
  },
});

/** The narrowest of what is asked, in whole seconds; `to` is exclusive. */
function periodOf(query: AuditLogQuery): { from?: number; to?: number } {
  const {
    'effective_at[gt]': gt,
    'effective_at[gte]': gte,
    'effective_at[lt]': lt,
    'effective_at[lte]': lte,
  } = query;
  const starts = [gte, gt === undefined ? undefined : gt + 1].filter((one) => one !== undefined);
  const ends = [lt, lte === undefined ? undefined : lte + 1].filter((one) => one !== undefined);
  return {
    ...(starts.length > 0 ? { from: Math.max(...starts) } : {}),
    ...(ends.length > 0 ? { to: Math.min(...ends) } : {}),
  };
}
