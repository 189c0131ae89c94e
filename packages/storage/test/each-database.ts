/** Runs the same tests on PGlite and on real PostgreSQL servers without and with pgvector; says so where there is none. */

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { openDiskBlobs } from '../src/blobs.ts';
import { contentStore, type Contents } from '../src/contents.ts';
import { openPglite, openPostgres, type OpenDatabase } from '../src/database.ts';
import { findPostgres, startPostgres, type PostgresServer } from './postgres-server.ts';

const OPEN_MS = 120_000;
const KINDS = ['pglite', 'postgresql', 'postgresql with pgvector'] as const;

export interface TestDatabase extends OpenDatabase {
  readonly contents: Contents;
  /** A temporary directory; contents lie in `blobs` there. */
  readonly directory: string;
  /** Names of the contents on the disk. */
  stored(): Promise<string[]>;
}

/** @param tests gets the database of its tests; it is open while they run, not before */
export function eachDatabase(
  name: string,
  tests: (database: () => TestDatabase, kind: (typeof KINDS)[number]) => void,
): void {
  describe.each(KINDS)(`${name} on %s`, (kind) => {
    const programs = kind === 'pglite' ? undefined : findPostgres(kind);
    describe.skipIf(kind !== 'pglite' && !programs)('', () => {
      let directory: string;
      let server: PostgresServer | undefined;
      let opened: TestDatabase | undefined;

      beforeAll(async () => {
        directory = await mkdtemp(join(tmpdir(), 'steelyard-storage-'));
        if (programs) server = await startPostgres(programs);
        const database = server ? await openPostgres(server.url) : await openPglite(directory);
        const blobs = join(directory, 'blobs');
        opened = {
          ...database,
          directory,
          contents: contentStore(database.db, await openDiskBlobs(blobs)),
          stored: async () =>
            (await readdir(blobs, { recursive: true })).filter((path) => /[0-9a-f]{64}$/.test(path)),
        };
      }, OPEN_MS);

      afterAll(async () => {
        await opened?.close();
        await server?.stop();
        await rm(directory, { recursive: true, force: true });
      });

      tests(() => opened!, kind);
    });
  });
}
