/**
 * Projects and keys. A key is 256 random bits, shown once and kept as its SHA-256: nobody can try so many, so neither
 * salt nor a slow hash would add anything, and a key is found by its hash at once.
 */

import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { NotFoundError, RequestError } from '@steelyard/core';
import { and, asc, eq, isNull, sql } from 'drizzle-orm';
import type { Database } from './database.ts';
import { ITEM_ID, type Queries } from './items.ts';
import { apiKeys, projects, type KeyScopes, type Limits } from './schema-access.ts';

export type Project = typeof projects.$inferSelect;
export type StoredKey = Omit<typeof apiKeys.$inferSelect, 'hash'>;

export interface NewKey {
  readonly project: string;
  readonly name: string;
  readonly scopes: KeyScopes;
  readonly limits?: Limits;
  /** Unix seconds. Default: never. */
  readonly expiresAt?: number;
}

export interface CreatedKey {
  readonly key: StoredKey;
  /** The key itself, which can be had only now. */
  readonly secret: string;
}

export type ProjectChange = Partial<Pick<Project, 'name' | 'logsContent' | 'limits'>>;

export interface AccessStore {
  createProject(project: Pick<Project, 'name' | 'logsContent' | 'limits'>): Promise<Project>;
  projects(): Promise<Project[]>;
  /** @throws NotFoundError */
  project(id: string): Promise<Project>;
  /** @throws NotFoundError */
  changeProject(id: string, change: ProjectChange): Promise<Project>;
  /** Its keys are refused from now on. @throws NotFoundError; RequestError for the default project */
  archiveProject(id: string): Promise<Project>;
  /** @throws NotFoundError for the project; RequestError for one that is archived */
  createKey(key: NewKey): Promise<CreatedKey>;
  /** An admin's key, unless there is one that works. */
  createFirstAdminKey(): Promise<CreatedKey | undefined>;
  keys(only: { readonly admin: true } | { readonly project: string }): Promise<StoredKey[]>;
  /** @throws NotFoundError */
  key(id: string): Promise<StoredKey>;
  /** The key by itself, with its project, revoked and past its time too. */
  find(secret: string): Promise<{ readonly key: StoredKey; readonly project: Project } | undefined>;
  /** Refused from now on. @throws NotFoundError */
  revokeKey(id: string): Promise<StoredKey>;
  /** Notes that it was used. */
  touchKey(id: string): Promise<void>;
}

const SECRET_BYTES = 32;
/** Tells what it is to who finds one, and to scanners of leaked secrets. */
const MARK = 'sk-sy-';
/** Any number that no other lock here has. */
const FIRST_KEY_LOCK = 7_266_533;
export const ADMIN: KeyScopes = { admin: true, endpoints: ['all'] };

const shownColumns = {
  id: apiKeys.id,
  project: apiKeys.project,
  name: apiKeys.name,
  shown: apiKeys.shown,
  scopes: apiKeys.scopes,
  limits: apiKeys.limits,
  createdAt: apiKeys.createdAt,
  expiresAt: apiKeys.expiresAt,
  revokedAt: apiKeys.revokedAt,
  lastUsedAt: apiKeys.lastUsedAt,
};

const unixSeconds = (): number => Math.floor(Date.now() / 1000);

/** @param now Unix seconds; tests move it */
export function accessStore(db: Database, defaultProject: string, now = unixSeconds): AccessStore {
  const all = accessQueries(db, defaultProject, now);
  return {
    ...all,
    createFirstAdminKey: () =>
      db.transaction(async (tx) => {
        // Two servers may start at once on one database.
        await tx.execute(sql`select pg_advisory_xact_lock(${FIRST_KEY_LOCK})`);
        const { keys, createKey } = accessQueries(tx, defaultProject, now);
        const works = ({ revokedAt, expiresAt }: StoredKey): boolean =>
          revokedAt === null && (expiresAt === null || expiresAt > now());
        if ((await keys({ admin: true })).some(works)) return undefined;
        return createKey({ project: defaultProject, name: 'first admin key', scopes: ADMIN });
      }),
  };
}

function accessQueries(
  db: Queries,
  defaultProject: string,
  now: () => number,
): Omit<AccessStore, 'createFirstAdminKey'> {
  const project = async (id: string): Promise<Project> => {
    const [row] = ITEM_ID.test(id) ? await db.select().from(projects).where(eq(projects.id, id)) : [];
    if (!row) throw new NotFoundError(`No project '${id.slice(0, 80)}' here.`);
    return row;
  };
  const changed = async (id: string, change: Partial<Project>): Promise<Project> => {
    await project(id);
    if (Object.keys(change).length > 0) await db.update(projects).set(change).where(eq(projects.id, id));
    return project(id);
  };
  const key = async (id: string): Promise<StoredKey> => {
    const [row] = ITEM_ID.test(id)
      ? await db.select(shownColumns).from(apiKeys).where(eq(apiKeys.id, id))
      : [];
    if (!row) throw new NotFoundError(`No key '${id.slice(0, 80)}' here.`);
    return row;
  };
  const createKey = async (wanted: NewKey): Promise<CreatedKey> => {
    const { archivedAt } = await project(wanted.project);
    if (archivedAt !== null)
      throw new RequestError(`Project '${wanted.project}' is archived: it takes no keys.`, 'project_id');
    const secret = MARK + randomBytes(SECRET_BYTES).toString('base64url');
    const row: typeof apiKeys.$inferInsert = {
      id: `key_${randomUUID().replaceAll('-', '')}`,
      project: wanted.project,
      name: wanted.name,
      hash: hashOf(secret),
      shown: `${secret.slice(0, MARK.length + 4)}...${secret.slice(-4)}`,
      scopes: wanted.scopes,
      limits: wanted.limits ?? {},
      createdAt: now(),
      expiresAt: wanted.expiresAt ?? null,
      revokedAt: null,
      lastUsedAt: null,
    };
    await db.insert(apiKeys).values(row);
    return { key: await key(row.id), secret };
  };
  return {
    project,
    key,
    createKey,
    async createProject(wanted) {
      const id = `proj_${randomUUID().replaceAll('-', '')}`;
      await db.insert(projects).values({ ...wanted, id, createdAt: now(), archivedAt: null });
      return project(id);
    },
    projects: () => db.select().from(projects).orderBy(asc(projects.createdAt), asc(projects.id)),
    changeProject: changed,
    async archiveProject(id) {
      if (id === defaultProject)
        throw new RequestError(`Project '${id}' stays: admin keys belong to it.`, 'project_id');
      const { archivedAt } = await project(id);
      return changed(id, { archivedAt: archivedAt ?? now() });
    },
    async keys(only) {
      const rows = await db
        .select(shownColumns)
        .from(apiKeys)
        .orderBy(asc(apiKeys.createdAt), asc(apiKeys.id));
      return rows.filter(({ scopes, project: its }) =>
        'admin' in only ? scopes.admin : !scopes.admin && its === only.project,
      );
    },
    async find(secret) {
      const [row] = await db
        .select({ key: shownColumns, project: projects })
        .from(apiKeys)
        .innerJoin(projects, eq(projects.id, apiKeys.project))
        .where(eq(apiKeys.hash, hashOf(secret)));
      return row;
    },
    async revokeKey(id) {
      await key(id);
      await db
        .update(apiKeys)
        .set({ revokedAt: now() })
        .where(and(eq(apiKeys.id, id), isNull(apiKeys.revokedAt)));
      return key(id);
    },
    async touchKey(id) {
      await db.update(apiKeys).set({ lastUsedAt: now() }).where(eq(apiKeys.id, id));
    },
  };
}

export function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
