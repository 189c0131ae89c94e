import { beforeEach, expect, it } from 'vitest';
import { sql } from 'drizzle-orm';
import { eachDatabase } from '../test/each-database.ts';
import { accessStore, ADMIN, hashOf, type AccessStore } from './access.ts';
import { usageStore, type UsageRow } from './usage.ts';

eachDatabase('access', (database) => {
  let clock: number;
  let access: AccessStore;

  beforeEach(async () => {
    clock = 1_000;
    access = accessStore(database().db, 'default', () => clock);
    await database().db.execute(sql`delete from api_keys`);
  });

  it('keeps a key as its hash, and finds it by itself', async () => {
    const project = await access.createProject({ name: 'p', logsContent: false, limits: {} });
    const wanted = { project: project.id, name: 'ci', scopes: { admin: false, endpoints: ['chat'] } };
    const { key, secret } = await access.createKey({ ...wanted, limits: { requestsPerMinute: 3 } });
    expect(secret).toMatch(/^sk-sy-[\w-]{43}$/);
    expect(key.shown).toBe(`${secret.slice(0, 10)}...${secret.slice(-4)}`);
    const rows: unknown = await database().db.execute(sql`select * from api_keys`);
    expect(JSON.stringify(rows)).not.toContain(secret);
    expect(JSON.stringify(rows)).toContain(hashOf(secret));
    expect(await access.find(secret)).toEqual({ key, project });
    expect(await access.find(`${secret}x`)).toBe(undefined);
    clock = 1_500;
    await access.touchKey(key.id);
    expect(await access.revokeKey(key.id)).toMatchObject({ lastUsedAt: 1_500, revokedAt: 1_500 });
    clock = 1_600;
    expect(await access.revokeKey(key.id)).toMatchObject({ revokedAt: 1_500 });
    expect(await access.keys({ project: project.id })).toHaveLength(1);
    await access.archiveProject(project.id);
    await expect(access.createKey(wanted)).rejects.toThrow('is archived');
  });

  it('makes the first admin key once, and again when none works', async () => {
    const first = await Promise.all([access.createFirstAdminKey(), access.createFirstAdminKey()]);
    expect(first.filter(Boolean)).toHaveLength(1);
    const [admin] = await access.keys({ admin: true });
    expect(admin).toMatchObject({ project: 'default', scopes: ADMIN });
    await access.revokeKey(admin!.id);
    expect(await access.createFirstAdminKey()).toBeDefined();
    expect(await access.createFirstAdminKey()).toBe(undefined);
  });

  it('refuses what is not there', async () => {
    await expect(access.project('proj_\0')).rejects.toThrow('No project');
    await expect(access.revokeKey('key_1')).rejects.toThrow("No key 'key_1'");
    await expect(access.archiveProject('default')).rejects.toThrow('stays');
    expect(await access.projects()).toContainEqual(expect.objectContaining({ id: 'default' }));
  });

  it('adds up usage', async () => {
    const store = usageStore(database().db);
    const row = (changes: Partial<UsageRow>): UsageRow => ({
      ...{ day: '2026-01-01', project: 'p', key: 'k', model: 'm', kind: 'completions' },
      ...{ requests: 1, inputTokens: 10, cachedTokens: 2, outputTokens: 5 },
      ...changes,
    });
    await store.add([row({}), row({ day: '2026-02-01' })]);
    await store.add([row({ inputTokens: 1 }), row({ key: 'other' })]);
    expect(await store.list({ from: '2026-01-01', to: '2026-02-01', key: 'k' })).toEqual([
      row({ requests: 2, inputTokens: 11, cachedTokens: 4, outputTokens: 10 }),
    ]);
    expect(await store.totals({ from: '2026-01-01', project: 'p' })).toEqual([
      { model: 'm', inputTokens: 31, outputTokens: 20 },
    ]);
    await store.add([row({ kind: 'embeddings', inputTokens: 7 })]);
    expect(await store.list({ from: '2026-01-01', to: '2026-02-01', kind: 'embeddings' })).toEqual([
      row({ kind: 'embeddings', inputTokens: 7 }),
    ]);
    expect(await store.totals({ from: '2026-01-01', project: 'p' })).toMatchObject([{ inputTokens: 38 }]);
  });
});
