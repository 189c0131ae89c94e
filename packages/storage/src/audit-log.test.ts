/** The audit log on both databases: writers at once, tampering found where it happened, changes refused. */

import { createHash } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { beforeEach, expect, it } from 'vitest';
import { eachDatabase } from '../test/each-database.ts';
import { GENESIS, verifyChain, type AuditEntry, type NewAuditEntry } from './audit-chain.ts';
import { auditStore, type AuditLog } from './audit-log.ts';

const entry = (details: NewAuditEntry['details'] = {}): NewAuditEntry => ({
  action: 'key.created',
  project: 'default',
  actor: null,
  subject: 'key_1',
  details,
});

async function all(log: AuditLog): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = [];
  for await (const one of log.read()) entries.push(one);
  return entries;
}

eachDatabase('audit log', (database) => {
  let log: AuditLog;

  /** What somebody with the whole database in their hands can do. */
  const tamper = async (statement: string): Promise<void> => {
    await database().db.execute(sql`alter table audit_log disable trigger audit_log_append_only`);
    await database().db.execute(sql.raw(statement));
    await database().db.execute(sql`alter table audit_log enable trigger audit_log_append_only`);
  };

  beforeEach(async () => {
    await tamper('delete from audit_log');
    log = auditStore(database().db, () => new Date(0));
  });

  it('chains what several writers append at once, without gaps', async () => {
    const logs = [log, auditStore(database().db), auditStore(database().db)];
    const written = await Promise.all(
      Array.from({ length: 120 }, (_, i) => logs[i % 3]!.append(entry({ i }))),
    );
    const read = await all(log);
    expect(read.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 120 }, (_, i) => i + 1));
    expect(new Set(read.map(({ details }) => details['i'])).size).toBe(120);
    expect(read).toEqual(written.toSorted((a, b) => a.sequence - b.sequence));
    const { sequence, hash } = read.at(-1)!;
    expect(await log.head()).toEqual({ sequence, hash });
    expect(await log.verify()).toEqual({ intact: true, entries: 120, head: { sequence, hash } });
  });

  it('hashes the canonical entry with the hash before it', async () => {
    await log.append(entry());
    const { previous, hash } = await log.append(entry({ b: [1, 'ü\n\0'], a: null, 10: 1, 9: undefined }));
    const text =
      '{"action":"key.created","actor":null,"details":{"10":1,"a":null,"b":[1,"ü\\n\\u0000"]},' +
      `"previous":"${previous}","project":"default","sequence":2,"subject":"key_1",` +
      '"time":"1970-01-01T00:00:00.000Z"}';
    expect(hash).toBe(createHash('sha256').update(text).digest('hex'));
    expect((await all(log))[0]!.previous).toBe(GENESIS.hash);
  });

  it('refuses changes', async () => {
    await log.append(entry());
    for (const statement of [
      "update audit_log set action = 'nothing'",
      'delete from audit_log',
      'truncate audit_log',
    ]) {
      const refusal = database().db.execute(sql.raw(statement));
      await expect(refusal).rejects.toMatchObject({
        cause: { message: expect.stringContaining('append-only') as string },
      });
    }
    expect(await log.verify()).toMatchObject({ intact: true, entries: 1 });
  });

  it.each([
    ["update audit_log set details = '{}' where sequence = 3", 3, /its content has the hash/],
    ["update audit_log set details = '{' where sequence = 3", 3, /its content has the hash/],
    ["update audit_log set actor = 'key_2' where sequence = 1", 1, /its content has the hash/],
    ['delete from audit_log where sequence = 2', 2, /missing: 3 follows 1/],
    ['delete from audit_log where sequence = 1', 1, /missing: 2 follows 0/],
    ["update audit_log set previous = repeat('0', 64) where sequence = 4", 4, /as the hash before it/],
  ])('finds: %s', async (statement, sequence, reason) => {
    for (let i = 0; i < 5; i++) await log.append(entry({ i }));
    await tamper(statement);
    expect(await log.verify()).toEqual({
      intact: false,
      entries: sequence - 1,
      broken: { sequence, reason: expect.stringMatching(reason) as string },
    });
  });

  it('finds an end cut off, and a chain made anew, by a head noted before', async () => {
    for (let i = 0; i < 3; i++) await log.append(entry({ i }));
    const head = await log.head();
    await log.append(entry());
    expect(await log.verify(head)).toMatchObject({ intact: true, entries: 4 });
    await tamper('delete from audit_log where sequence >= 3');
    expect(await log.verify()).toMatchObject({ intact: true, entries: 2 });
    expect(await log.verify(head)).toMatchObject({ intact: false, broken: { sequence: 3 } });
    await log.append(entry({ i: 'other' }));
    expect(await log.verify(head)).toMatchObject({ intact: false, broken: { sequence: 3 } });
  });

  it('reads more than a page, and by subject and project', async () => {
    await Promise.all(Array.from({ length: 1_001 }, (_, i) => log.append(entry({ i }))));
    await log.append({ ...entry(), project: 'proj_2', subject: 'key_2' });
    const read = await all(log);
    expect(read).toHaveLength(1_002);
    expect(await verifyChain(read)).toMatchObject({ intact: true, entries: 1_002 });
    const of = async (query: Parameters<AuditLog['read']>[0]) => {
      const found: number[] = [];
      for await (const { sequence } of log.read(query)) found.push(sequence);
      return found;
    };
    expect(await of({ subject: 'key_2' })).toEqual([1_002]);
    expect(await of({ project: 'proj_2' })).toEqual([1_002]);
    expect(await of({ after: 1_000 })).toEqual([1_001, 1_002]);
  });
});
