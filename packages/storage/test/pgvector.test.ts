/** Vector search: exact whatever compares the vectors, and without pgvector where the server does not give it. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { sql } from 'drizzle-orm';
import pg, { type Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDiskBlobs } from '../src/blobs.ts';
import { contentStore } from '../src/contents.ts';
import { openPostgres, rowsOf, type OpenDatabase } from '../src/database.ts';
import { fileStore } from '../src/files.ts';
import { ingestQueue, type NewChunk } from '../src/ingest-queue.ts';
import { searchStatement } from '../src/vector-search.ts';
import { vectorStoreStore } from '../src/vector-stores.ts';
import { eachDatabase, type TestDatabase } from './each-database.ts';
import { findPostgres, startPostgres, type PostgresServer } from './postgres-server.ts';

const weights = { embedding: 1, text: 1 };

/** Numbers from a normal distribution, the same in every run. */
function gaussians(seed: number): () => number {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

function unitVectors(count: number, length: number, seed: number): Float32Array[] {
  const next = gaussians(seed);
  return Array.from({ length: count }, () => {
    const values = Array.from({ length }, next);
    const norm = Math.hypot(...values);
    return Float32Array.from(values, (value) => value / norm);
  });
}

const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

const chunksOf = (vectors: readonly Float32Array[]): NewChunk[] =>
  vectors.map((vector, i) => ({ text: `piece ${i}`, vector }));

/** A store with the pieces of one file. @returns its id */
async function fill(
  { db, contents }: Pick<TestDatabase, 'db' | 'contents'>,
  chunks: readonly NewChunk[],
): Promise<string> {
  const store = await vectorStoreStore(db, 'one', undefined).create({
    name: 'n',
    description: null,
    metadata: {},
    model: 'm',
    expiresDays: null,
  });
  await addFile({ db, contents }, store.id, chunks);
  return store.id;
}

async function addFile(
  { db, contents }: Pick<TestDatabase, 'db' | 'contents'>,
  storeId: string,
  chunks: readonly NewChunk[],
): Promise<void> {
  const files = fileStore(db, contents, 'one');
  const staged = await files.stage(Readable.from([Buffer.from('content')]), 1_000);
  const { id } = await files.create(staged, { filename: 'a.txt', purpose: 'assistants' });
  const added = { fileId: id, attributes: {}, chunking: { type: 'auto' } };
  await vectorStoreStore(db, 'one', undefined).files(storeId).add([added]);
  const queue = ingestQueue(db, contents, 'server');
  await queue.finish((await queue.claim(60, []))!.sequence, chunks);
}

eachDatabase('vector search', (database, kind) => {
  const search = (id: string, vector: Float32Array, limit: number) => {
    const { db, pgvectorSchema } = database();
    return vectorStoreStore(db, 'one', pgvectorSchema).search(id, { vector, weights, limit });
  };

  it.skipIf(kind === 'postgresql')('compares by pgvector', () => {
    expect(database().pgvectorSchema).toBe('public');
  });

  it.each([8, 384, 2_048])('ranks as exact cosines do, with %i elements', async (length) => {
    const pieces = unitVectors(400, length, 7);
    const id = await fill(database(), chunksOf(pieces));
    for (const query of unitVectors(5, length, 8)) {
      const cosines = pieces.map((piece, i) => ({ text: `piece ${i}`, cosine: dot(piece, query) }));
      cosines.sort((a, b) => b.cosine - a.cosine);
      const found = await search(id, query, 50);
      expect(found.map(({ text }) => text)).toEqual(cosines.slice(0, 50).map(({ text }) => text));
      found.forEach(({ score }, i) => expect(score).toBeCloseTo(Math.max(0, cosines[i]!.cosine), 5));
    }
  });

  it('puts a vector of length 0 behind what is near', async () => {
    const id = await fill(database(), chunksOf([new Float32Array(3), ...unitVectors(3, 3, 5)]));
    const [query] = unitVectors(1, 3, 5);
    const found = await search(id, query!, 4);
    expect(found[0]).toMatchObject({ text: 'piece 1', score: expect.closeTo(1, 5) as number });
    expect(found.find(({ text }) => text === 'piece 0')?.score).toBe(0);
    expect(await search(id, new Float32Array(3), 4)).toHaveLength(4);
  });

  it('compares only vectors of as many elements, should the model have changed', async () => {
    const id = await fill(database(), chunksOf(unitVectors(3, 4, 1)));
    await addFile(database(), id, [{ text: 'newer danube', vector: unitVectors(1, 6, 2)[0]! }]);
    const [query] = unitVectors(1, 6, 2);
    expect((await search(id, query!, 5)).map(({ text }) => text)).toEqual(['newer danube']);
    const { db, pgvectorSchema } = database();
    const stores = vectorStoreStore(db, 'one', pgvectorSchema);
    const byBoth = await stores.search(id, { vector: query!, text: 'piece', weights, limit: 5 });
    expect(byBoth.map(({ text }) => text).sort()).toEqual(['newer danube', 'piece 0', 'piece 1', 'piece 2']);
  });

  it('takes vectors longer than pgvector has', async () => {
    const pieces = unitVectors(3, 16_001, 3);
    const id = await fill(database(), chunksOf(pieces));
    const [first] = await search(id, pieces[1]!, 2);
    expect(first).toMatchObject({ text: 'piece 1', score: expect.closeTo(1, 4) as number });
  });

  it('refuses vectors that are no numbers', async () => {
    const bad = { text: 'bad', vector: Float32Array.of(Number.NaN, 0) };
    await expect(fill(database(), [bad])).rejects.toThrow('not finite');
  });

  it('reads only the pieces of its store, by an index', async () => {
    const { db, pgvectorSchema } = database();
    const vectors = unitVectors(100, 8, 9);
    let id = '';
    for (let i = 0; i < 20; i++) id = await fill(database(), chunksOf(vectors));
    await db.execute(sql`analyze vector_chunks`);
    const query = { vector: vectors[0]!, text: 'piece', weights, limit: 5 };
    const plan = rowsOf(await db.execute(sql`explain ${searchStatement(id, query, pgvectorSchema)}`));
    const lines = plan.map((row) => String(Object.values(row)[0])).join('\n');
    expect(lines).toContain('vector_chunks_file');
    expect(lines).not.toContain('Seq Scan on vector_chunks');
  });
});

const programs = findPostgres('postgresql with pgvector');

describe.skipIf(!programs)('PostgreSQL with pgvector', () => {
  let server: PostgresServer;
  let admin: Client;

  beforeAll(async () => {
    server = await startPostgres(programs!);
    admin = new pg.Client({ connectionString: server.url });
    await admin.connect();
    await admin.query('create role app login');
  }, 120_000);

  afterAll(async () => {
    await admin?.end();
    await server?.stop();
  });

  /** Opens a database of its own as a user who is not its administrator. @param prepare statements of the administrator's */
  async function openAsApp(name: string, prepare: string): Promise<OpenDatabase> {
    await admin.query(`create database ${name} owner app`);
    const as = (user: string) =>
      server.url.replace('postgres@', `${user}@`).replace('/postgres?', `/${name}?`);
    const inside = new pg.Client({ connectionString: as('postgres') });
    await inside.connect();
    await inside.query(prepare);
    await inside.end();
    return openPostgres(as('app'));
  }

  it.each([
    ['works without where it may not be installed', 'alone', '', undefined],
    ['is taken where an administrator installed it', 'given', 'create extension vector', 'public'],
    [
      'is taken from a schema that names are not looked up in',
      'apart',
      'create schema "Extra s"; create extension vector schema "Extra s"; grant usage on schema "Extra s" to app',
      'Extra s',
    ],
    [
      'works without where its schema is for others',
      'closed',
      'create schema closed; create extension vector schema closed',
      undefined,
    ],
  ])('%s', async (_, name, prepare, schema) => {
    const database = await openAsApp(name, prepare);
    const directory = await mkdtemp(join(tmpdir(), 'steelyard-storage-'));
    try {
      expect(database.pgvectorSchema).toBe(schema);
      const contents = contentStore(database.db, await openDiskBlobs(directory));
      const vectors = unitVectors(3, 5, 4);
      const id = await fill({ db: database.db, contents }, chunksOf(vectors));
      const stores = vectorStoreStore(database.db, 'one', database.pgvectorSchema);
      const found = await stores.search(id, { vector: vectors[2]!, text: '2', weights, limit: 3 });
      expect(found[0]).toMatchObject({ text: 'piece 2' });
      expect(found).toHaveLength(3);
    } finally {
      await database.close();
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('is installed once by servers that start at once', async () => {
    await admin.query('create database busy');
    const url = server.url.replace('/postgres?', '/busy?');
    const opened = await Promise.all(Array.from({ length: 4 }, () => openPostgres(url)));
    expect(opened.map(({ pgvectorSchema }) => pgvectorSchema)).toEqual(Array(4).fill('public'));
    await Promise.all(opened.map((one) => one.close()));
  });
});
