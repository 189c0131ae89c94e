/** The database: PGlite in a directory, or a PostgreSQL server. Above this file nobody knows which. */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NetworkError } from '@steelyard/core';
import { sql, type SQL } from 'drizzle-orm';
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core';
import * as schema from './schema.ts';

export type Database = PgDatabase<PgQueryResultHKT, typeof schema>;

export interface OpenDatabase {
  readonly db: Database;
  readonly kind: 'pglite' | 'postgresql';
  /** Where pgvector lies, by which it compares vectors; without, it does so in plain SQL, slower. */
  readonly pgvectorSchema: string | undefined;
  close(): Promise<void>;
}

const MIGRATIONS = fileURLToPath(new URL('../migrations', import.meta.url));
/** Any number will do, as long as every server asks for the same one. */
const MIGRATION_LOCK = 7_266_531;

/** PGlite in `directory`, which the caller has locked; migrated. */
export async function openPglite(directory: string): Promise<OpenDatabase> {
  const [{ PGlite }, { vector }, { drizzle }, { migrate }] = await Promise.all([
    import('@electric-sql/pglite'),
    import('@electric-sql/pglite-pgvector'),
    import('drizzle-orm/pglite'),
    import('drizzle-orm/pglite/migrator'),
  ]);
  const path = join(directory, 'database');
  await mkdir(path, { recursive: true });
  const client = await PGlite.create(path, { extensions: { vector } });
  const db = drizzle(client, { schema });
  try {
    await migrate(db, { migrationsFolder: MIGRATIONS });
    const pgvectorSchema = await installPgvector(db);
    return { db, kind: 'pglite', pgvectorSchema, close: () => client.close() };
  } catch (error) {
    await client.close();
    throw error;
  }
}

/**
 * A PostgreSQL server by its URL; migrated.
 * @throws NetworkError when it cannot be reached
 */
export async function openPostgres(url: string): Promise<OpenDatabase> {
  const [{ default: pg }, { drizzle }, { migrate }] = await Promise.all([
    import('pg'),
    import('drizzle-orm/node-postgres'),
    import('drizzle-orm/node-postgres/migrator'),
  ]);
  const pool = new pg.Pool({ connectionString: url });
  // A connection lost while idle is replaced at the next query; without a listener it would end the process.
  pool.on('error', () => {});
  try {
    const connection = await pool.connect().catch((cause: unknown) => {
      throw new NetworkError(
        `storage: PostgreSQL at ${addressOf(url)} cannot be reached (${reasonOf(cause)}). ` +
          'Start it, or mend DATABASE_URL.',
        { cause },
      );
    });
    try {
      // Several servers may start at once on one database.
      await connection.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
      await migrate(drizzle(connection, { schema }), { migrationsFolder: MIGRATIONS });
      await connection.query('select pg_advisory_unlock($1)', [MIGRATION_LOCK]);
    } finally {
      // Closed and not returned: that gives the lock up after a failed migration too.
      connection.release(true);
    }
    const db = drizzle(pool, { schema });
    const pgvectorSchema = await installPgvector(db);
    return { db, kind: 'postgresql', pgvectorSchema, close: () => pool.end() };
  } catch (error) {
    await pool.end();
    throw error;
  }
}

/**
 * Not a migration: the server may not have it, or may not give it to this user, and all else works without.
 * @returns its schema, which need not be one that names are looked up in
 */
async function installPgvector(db: Database): Promise<string | undefined> {
  // Several servers that start at once may stand in each other's way; then one of them has made it.
  await db.execute(sql`create extension if not exists vector`).catch(() => {});
  const [found] = rowsOf(
    await db.execute(sql`
      select n.nspname as schema from pg_extension e join pg_namespace n on n.oid = e.extnamespace
      where e.extname = 'vector'`),
  );
  if (!found) return undefined;
  const schema = found.schema as string;
  // It may be there and not work: its schema is not for this user, or its library went with an upgrade of the server.
  const one = sql`array[1]::real[]`;
  return db.execute(sql`select ${innerProduct(schema, one, one)}`).then(
    () => schema,
    () => undefined,
  );
}

/** By pgvector. @param a, b arrays of `real`, of one length */
export function innerProduct(schema: string, a: SQL, b: SQL): SQL {
  const own = sql.identifier(schema);
  return sql`-(${a}::${own}.vector operator(${own}.<#>) ${b}::${own}.vector)`;
}

/** What a statement written by hand gave; both drivers answer so. */
export function rowsOf(answer: unknown): readonly Record<string, unknown>[] {
  return (answer as { rows: readonly Record<string, unknown>[] }).rows;
}

/** Where a URL points, without its password. */
function addressOf(url: string): string {
  return URL.canParse(url) ? `${new URL(url).host}${new URL(url).pathname}` : 'an address that is not a URL';
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message || ((error as NodeJS.ErrnoException).code ?? error.name);
}
