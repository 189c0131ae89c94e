/** Files, on every database; opening and closing. */

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { sql } from 'drizzle-orm';
import { getTableConfig } from 'drizzle-orm/pg-core';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eachDatabase } from '../test/each-database.ts';
import { findPostgres, startPostgres } from '../test/postgres-server.ts';
import { openPostgres } from './database.ts';
import { fileStore, sweepFiles, type FileStore } from './files.ts';
import * as schema from './schema.ts';
import { openStorage } from './storage.ts';

const LIMIT = 1_000;
const page = { limit: 100, order: 'asc' } as const;
const bytes = (content: string) => Readable.from([Buffer.from(content)]);

async function add(
  files: FileStore,
  content: string,
  more: { purpose?: string; expiresAfter?: number } = {},
) {
  const staged = await files.stage(bytes(content), LIMIT);
  try {
    return await files.create(staged, { filename: 'a.jsonl', purpose: 'batch', ...more });
  } finally {
    await staged.discard();
  }
}

eachDatabase('files', (database) => {
  let files: FileStore;
  let others: FileStore;
  let clock = 1_000;

  beforeAll(() => {
    const { db, contents } = database();
    files = fileStore(db, contents, 'default', () => clock);
    others = fileStore(db, contents, 'proj_other', () => clock);
  });

  beforeEach(async () => {
    clock = 1_000;
    for (const { id } of (await files.list(page)).files) await files.remove(id);
  });

  it('has the tables that the code expects', async () => {
    for (const table of Object.values(schema)) {
      const { name, columns } = getTableConfig(table);
      const answer: unknown = await database().db.execute(
        sql`select column_name, is_nullable from information_schema.columns where table_name = ${name}`,
      );
      const { rows } = answer as { rows: { column_name: string; is_nullable: string }[] };
      const found = rows.map((row) => `${row.column_name} ${row.is_nullable}`).sort();
      expect(found).toEqual(columns.map((one) => `${one.name} ${one.notNull ? 'NO' : 'YES'}`).sort());
    }
  });

  it('gives back what it was given', async () => {
    const file = await add(files, 'Grüße\n');
    expect(file).toEqual({
      id: expect.stringMatching(/^file-[0-9a-f]{32}$/) as string,
      filename: 'a.jsonl',
      purpose: 'batch',
      bytes: 8,
      createdAt: 1_000,
      expiresAt: null,
    });
    expect(await files.get(file.id)).toEqual(file);
    expect(await text(await files.content(file.id))).toBe('Grüße\n');
  });

  it('keeps one content for several files until the last is gone', async () => {
    const twins = await Promise.all([add(files, 'same'), add(files, 'same'), add(files, 'same')]);
    expect(await database().stored()).toHaveLength(1);
    await Promise.all([files.remove(twins[0].id), files.remove(twins[1].id)]);
    expect(await text(await files.content(twins[2].id))).toBe('same');
    await files.remove(twins[2].id);
    expect(await database().stored()).toEqual([]);
  });

  it('loses no content when one comes while its twin goes', async () => {
    let last = await add(files, 'race');
    for (let round = 0; round < 20; round++) {
      const [next] = await Promise.all([add(files, 'race'), files.remove(last.id)]);
      expect(await text(await files.content(next.id))).toBe('race');
      last = next;
    }
  });

  it('pages through a list in both orders without gaps', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.push((await add(files, `${i}`)).id);
    for (const order of ['asc', 'desc'] as const) {
      const seen: string[] = [];
      for (let more = true; more;) {
        const after = seen.at(-1);
        const part = await files.list({ limit: 2, order, ...(after ? { after } : {}) });
        seen.push(...part.files.map((file) => file.id));
        more = part.hasMore;
      }
      expect(seen).toEqual(order === 'asc' ? ids : ids.toReversed());
    }
    expect((await files.list({ ...page, purpose: 'vision' })).files).toEqual([]);
    await expect(files.list({ ...page, after: 'file-\0' })).rejects.toThrow("Invalid 'after'");
  });

  it('hides files past their time, and sweeps them', async () => {
    const brief = await add(files, 'brief', { expiresAfter: 10 });
    const lasting = await add(files, 'lasting');
    clock = 1_009;
    expect((await files.get(brief.id)).expiresAt).toBe(1_010);
    clock = 1_010;
    await expect(files.get(brief.id)).rejects.toThrow(`No file '${brief.id}'`);
    expect((await files.list(page)).files.map((file) => file.id)).toEqual([lasting.id]);
    expect(await sweepFiles(database().db, database().contents, clock)).toBe(1);
    expect(await database().stored()).toHaveLength(1);
  });

  it('shows a project nothing of another', async () => {
    const { id } = await add(files, 'mine');
    await expect(others.get(id)).rejects.toThrow(`No file '${id}'`);
    await expect(others.content(id)).rejects.toThrow(`No file '${id}'`);
    await expect(others.remove(id)).rejects.toThrow(`No file '${id}'`);
    expect((await others.list(page)).files).toEqual([]);
    await expect(others.list({ ...page, after: id })).rejects.toThrow("Invalid 'after'");
    const twin = await add(others, 'mine');
    await files.remove(id);
    expect(await text(await others.content(twin.id))).toBe('mine');
    await others.remove(twin.id);
    expect(await database().stored()).toEqual([]);
  });

  it('refuses what is too large or not there, and keeps nothing of it', async () => {
    await expect(files.stage(bytes('x'.repeat(LIMIT + 1)), LIMIT)).rejects.toThrow('expected at most 1000');
    expect(await readdir(join(database().directory, 'blobs', 'staging'))).toEqual([]);
    for (const id of ['file-1', 'file-\0', "'; drop table files"]) {
      await expect(files.get(id)).rejects.toThrow('No file');
      await expect(files.remove(id)).rejects.toThrow('No file');
    }
  });
});

describe('openStorage', () => {
  it('keeps files over a restart and lets one process in', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'steelyard-storage-'));
    try {
      const first = await openStorage({ directory });
      const { id } = await add(first.project('default').files, 'kept');
      await expect(openStorage({ directory })).rejects.toThrow('is in use by process');
      await first.close();
      const second = await openStorage({ directory });
      expect(await text(await second.project('default').files.content(id))).toBe('kept');
      await second.close();
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  describe.each(['pglite', 'postgresql', 'postgresql with pgvector'] as const)('on %s', (kind) => {
    const programs = kind === 'pglite' ? undefined : findPostgres(kind);

    it.skipIf(kind !== 'pglite' && !programs)('says once what to do where pgvector is missing', async () => {
      const directory = await mkdtemp(join(tmpdir(), 'steelyard-storage-'));
      const server = programs === undefined ? undefined : await startPostgres(programs);
      const notices: string[] = [];
      try {
        const storage = await openStorage({
          directory,
          ...(server ? { databaseUrl: server.url } : {}),
          onNotice: (text) => notices.push(text),
        });
        await storage.close();
        // Debian's server has it where somebody installed its package.
        const lacks = server !== undefined && !(await hasPgvector(server.url));
        expect(notices).toEqual(lacks ? [expect.stringContaining('`create extension vector`')] : []);
        if (kind === 'postgresql with pgvector') expect(lacks).toBe(false);
      } finally {
        await server?.stop();
        await rm(directory, { recursive: true, force: true });
      }
    });
  });

  it('says where PostgreSQL was not found, without its password', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'steelyard-storage-'));
    const databaseUrl = 'postgresql://me:secret@127.0.0.1:1/db';
    const error = await openStorage({ directory, databaseUrl }).catch((caught: unknown) => String(caught));
    expect(error).toContain('PostgreSQL at 127.0.0.1:1/db cannot be reached');
    expect(error).not.toContain('secret');
    await rm(directory, { recursive: true, force: true });
  });
});

async function hasPgvector(url: string): Promise<boolean> {
  const database = await openPostgres(url);
  await database.close();
  return database.pgvectorSchema !== undefined;
}
