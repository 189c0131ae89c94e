/** The audit log's entries, in order: those of a running server by its API, else those on this machine. */

import type { AuditEntry } from '@steelyard/storage';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import { withAdministration, type AdministrationFlags, type Ask } from './administration.ts';
import { withRecords } from './open-records.ts';

export interface AuditRange {
  /** Entries after this one. Default: from the first. */
  readonly after?: number;
  readonly project?: string;
}

/** One entry as the API has it. */
interface Listed {
  readonly actor?: { readonly api_key: { readonly id: string } };
  readonly project: { readonly id: string };
  readonly steelyard: Omit<AuditEntry, 'actor' | 'project'>;
}

interface Page {
  readonly data: readonly Listed[];
}

/** Entries asked for at once: as many as the API gives. */
const PAGE = 100;

/** Runs work on what reads the entries. @throws as `withAdministration`, as `withRecords` */
export function withAudit<T>(
  flags: AdministrationFlags,
  context: CommandContext,
  work: (read: (range?: AuditRange) => AsyncGenerator<AuditEntry>) => Promise<T>,
): Promise<T> {
  return flags.url === undefined
    ? withRecords(flags, context, ({ audit }) => work((range) => audit.read(range)))
    : withAdministration(flags, context, (ask) => work((range) => readBy(ask, range)));
}

/** The API lists the newest first; places have no gaps, so each page is what lies between two of them. */
async function* readBy(ask: Ask, { after = 0, project }: AuditRange = {}): AsyncGenerator<AuditEntry> {
  const [newest] = (await ask<Page>('GET', '/audit_logs?limit=1')).data;
  const end = newest?.steelyard.sequence ?? 0;
  for (let from = after; from < end; from += PAGE) {
    const query = new URLSearchParams({ limit: String(PAGE), before: `audit_log-${from}` });
    query.set('after', `audit_log-${from + PAGE + 1}`);
    if (project !== undefined) query.set('project_ids[]', project);
    const { data } = await ask<Page>('GET', `/audit_logs?${query.toString()}`);
    yield* data.toReversed().map(toEntry);
  }
}

function toEntry({ actor, project, steelyard: entry }: Listed): AuditEntry {
  if (typeof entry.time !== 'string')
    throw new UsageError(
      'the server at --url is of an earlier version, which does not give what is verified',
    );
  return { ...entry, actor: actor?.api_key.id ?? null, project: project.id };
}
