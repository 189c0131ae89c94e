import { Readable } from 'node:stream';
import { beforeAll, expect, it } from 'vitest';
import { eachDatabase } from '../test/each-database.ts';
import { fileStore } from './files.ts';
import { ingestQueue } from './ingest-queue.ts';
import { sweepVectorStores, vectorStoreStore, type VectorStoreStore } from './vector-stores.ts';

const DAY = 24 * 3_600;
const unit = (...values: number[]) => Float32Array.from(values.map((value) => value / Math.hypot(...values)));
const texts = [
  { text: 'The Danube flows into the Black Sea.', vector: unit(1, 0, 0) },
  { text: 'The Rhine is shorter.', vector: unit(1, 1, 0) },
  { text: 'Apples and pears are fruits, as are Danube plums.', vector: unit(0, 0, 1) },
];

eachDatabase('vector stores', (database) => {
  let stores: VectorStoreStore;
  let clock = 1_000_000;
  const now = () => clock;
  const weights = { embedding: 1, text: 1 };

  beforeAll(() => {
    stores = vectorStoreStore(database().db, 'one', database().pgvectorSchema, now);
  });

  async function file(content: string, project = 'one') {
    const files = fileStore(database().db, database().contents, project, now);
    const staged = await files.stage(Readable.from([Buffer.from(content)]), 1_000);
    return (await files.create(staged, { filename: `${content}.txt`, purpose: 'assistants' })).id;
  }
  const create = (expiresDays: number | null = null) =>
    stores.create({ name: 'n', description: null, metadata: {}, model: 'm', expiresDays });
  const added = (fileId: string) => ({ fileId, attributes: { kind: 'a' }, chunking: { type: 'auto' } });

  async function filled() {
    const { id } = await create();
    const fileId = await file('rivers');
    await stores.files(id).add([added(fileId)]);
    const queue = ingestQueue(database().db, database().contents, 'server', now);
    const claimed = await queue.claim(60, []);
    expect(claimed).toMatchObject({ filename: 'rivers.txt', model: 'm', chunking: { type: 'auto' } });
    await queue.finish(claimed!.sequence, texts);
    return { id, fileId };
  }

  it('are searched by meaning, by both, and within files', async () => {
    const { id, fileId } = await filled();
    const near = { vector: unit(1, 0.2, 0), weights, limit: 2 };
    const byMeaning = await stores.search(id, near);
    expect(byMeaning.map(({ text }) => text)).toEqual([texts[0]!.text, texts[1]!.text]);
    expect(byMeaning[0]!.score).toBeCloseTo(1 / Math.hypot(1, 0.2), 5);
    expect(byMeaning[0]).toMatchObject({ fileId, filename: 'rivers.txt' });
    const byBoth = await stores.search(id, { ...near, limit: 3, text: "Which PLUMS & 'rivers' (Danube)?" });
    // First of both by meaning, second by words, and the other way around: what is best by both comes first.
    expect(byBoth[0]!.score).toBeLessThanOrEqual(1);
    expect(byBoth.map(({ score }) => score)).toEqual(byBoth.map(({ score }) => score).sort((a, b) => b - a));
    expect(new Set(byBoth.slice(0, 2).map(({ text }) => text))).toEqual(
      new Set([texts[0]!.text, texts[2]!.text]),
    );
    const wordsFirst = { ...near, text: 'fruit', weights: { embedding: 0.01, text: 1 } };
    expect((await stores.search(id, wordsFirst))[0]!.text).toBe(texts[2]!.text);
    expect(await stores.search(id, { ...near, fileIds: ['file-other'] })).toEqual([]);
    expect(await stores.search(id, { ...near, fileIds: [fileId] })).toHaveLength(2);
    expect(await stores.search(id, { ...near, text: 'of the' })).toHaveLength(2);
  });

  it('find the same without pgvector', async () => {
    const { id } = await filled();
    const plain = vectorStoreStore(database().db, 'one', undefined, now);
    const query = { vector: unit(0.3, 0.5, 0.1), text: 'Danube', weights, limit: 3 };
    const [a, b] = [await plain.search(id, query), await stores.search(id, query)];
    expect(a.map(({ text }) => text)).toEqual(b.map(({ text }) => text));
    expect(a.length).toBe(3);
  });

  it('count their files, and forget those that are deleted', async () => {
    const { id, fileId } = await filled();
    const other = await file('other');
    await stores.files(id).add([added(other)]);
    const store = await stores.get(id);
    expect(store.fileCounts).toEqual({ in_progress: 1, completed: 1, failed: 0, cancelled: 0, total: 2 });
    expect(store.usageBytes).toBeGreaterThan(100);
    await fileStore(database().db, database().contents, 'one', now).remove(fileId);
    expect((await stores.get(id)).fileCounts.total).toBe(1);
    expect(await stores.search(id, { vector: unit(1, 0, 0), weights, limit: 5 })).toEqual([]);
    await stores.files(id).remove(other);
    await expect(stores.files(id).get(other)).rejects.toThrow('Nothing with id');
  });

  it('take batches, and cancel what is left of them', async () => {
    const { id } = await create();
    const ids = [await file('b1'), await file('b2')];
    const batch = await stores.files(id).addBatch(ids.map(added));
    expect(batch.fileCounts).toMatchObject({ in_progress: 2, total: 2 });
    const page = await stores.files(id).list({ limit: 1, order: 'asc', batchId: batch.id });
    expect(page).toMatchObject({ hasMore: true, rows: [{ fileId: ids[0] }] });
    const cancelled = await stores.files(id).cancelBatch(batch.id);
    expect(cancelled).toMatchObject({ cancelled: true, fileCounts: { cancelled: 2, in_progress: 0 } });
    const lost = stores.files(id).add([added('file-9')]);
    await expect(lost).rejects.toThrow("File 'file-9' is not there");
    const foreign = await file('theirs', 'two');
    await expect(stores.files(id).add([added(foreign)])).rejects.toThrow('is not there');
  });

  it('are paged both ways', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 4; i++) ids.push((await create()).id);
    const list = async (query: object) =>
      (await stores.list({ limit: 2, order: 'asc', ...query })).rows.map(({ id }) => id);
    expect(await list({ after: ids[0] })).toEqual([ids[1], ids[2]]);
    expect(await list({ before: ids[3] })).toEqual([ids[1], ids[2]]);
    expect(await list({ order: 'desc', before: ids[0] })).toEqual([ids[2], ids[1]]);
    await expect(list({ after: 'vs_9' })).rejects.toThrow("Invalid 'after'");
  });

  it('expire when not used, with what was read into them', async () => {
    const { id } = await create(1);
    const fileId = await file('late');
    await stores.files(id).add([added(fileId)]);
    clock += DAY - 1;
    expect((await stores.get(id)).isExpired).toBe(false);
    clock += 1;
    expect((await stores.get(id)).isExpired).toBe(true);
    await sweepVectorStores(database().db, clock);
    expect((await stores.get(id)).fileCounts.total).toBe(0);
  });

  it('are not there for another project', async () => {
    const { id } = await create();
    const others = vectorStoreStore(database().db, 'two', database().pgvectorSchema, now);
    const query = { vector: unit(1), weights, limit: 1 };
    const looks = [
      () => others.get(id),
      () => others.search(id, query),
      () => others.remove(id),
      () => others.files(id).get('file-1'),
    ];
    for (const look of looks) await expect(look()).rejects.toThrow('No vector store');
    await expect(others.files(id).add([])).rejects.toThrow('No vector store');
    await stores.remove(id);
    await expect(stores.get(id)).rejects.toThrow('No vector store');
  });
});
