import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { beforeEach, expect, it } from 'vitest';
import { eachDatabase } from '../test/each-database.ts';
import { fileStore } from './files.ts';
import { sweepUploads, uploadStore, type UploadStore } from './uploads.ts';

const LIMIT = 1_000;
const md5 = (content: string) => createHash('md5').update(content).digest('hex');

eachDatabase('uploads', (database) => {
  let clock: number;
  let uploads: UploadStore;
  const now = () => clock;

  beforeEach(() => {
    clock = 1_000;
    uploads = uploadStore(database().db, database().contents, 'one', now);
  });

  const create = (bytes: number) =>
    uploads.create({ filename: 'a.txt', purpose: 'user_data', mimeType: 'text/plain', bytes });

  async function add(id: string, content: string): Promise<string> {
    const staged = await uploads.stage(Readable.from([Buffer.from(content)]), LIMIT);
    try {
      return (await uploads.addPart(id, staged)).id;
    } finally {
      await staged.discard();
    }
  }

  it('become one file, in the order told, and leave no parts', async () => {
    const { id, status, expiresAt } = await create(6);
    expect({ status, expiresAt }).toEqual({ status: 'pending', expiresAt: 4_600 });
    const [b, a] = [await add(id, 'def'), await add(id, 'abc')];
    const done = await uploads.complete(id, { parts: [a, b], md5: md5('abcdef').toUpperCase() });
    expect(done).toMatchObject({ status: 'completed', file: { filename: 'a.txt', bytes: 6 } });
    const files = fileStore(database().db, database().contents, 'one', now);
    expect(await text(await files.content(done.file!.id))).toBe('abcdef');
    expect(await database().stored()).toHaveLength(1);
    await files.remove(done.file!.id);
    expect(await database().stored()).toEqual([]);
    await expect(uploads.complete(id, { parts: [a, b] })).rejects.toThrow('is completed');
    await expect(add(id, 'x')).rejects.toThrow('is completed');
  });

  it('stay open when what was told is not so', async () => {
    const { id } = await create(4);
    const a = await add(id, 'ab');
    await expect(uploads.complete(id, { parts: [a] })).rejects.toThrow('The parts have 2 bytes, but 4');
    await expect(uploads.complete(id, { parts: [a, a] })).rejects.toThrow('it is there twice');
    await expect(uploads.complete(id, { parts: ['part_\0'] })).rejects.toThrow('has no such part');
    const b = await add(id, 'cd');
    await expect(uploads.complete(id, { parts: [b, a], md5: md5('abcd') })).rejects.toThrow('MD5');
    await expect(add(id, 'many more')).rejects.toThrow('far more');
    expect((await uploads.complete(id, { parts: [a, b], md5: md5('abcd') })).status).toBe('completed');
  });

  it('make one file however often they are completed at once', async () => {
    const { id } = await create(2);
    const part = await add(id, 'ab');
    const ends = await Promise.allSettled([1, 2, 3].map(() => uploads.complete(id, { parts: [part] })));
    expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('are cancelled, and expire, with their parts', async () => {
    const before = await database().stored();
    const cancelled = await create(8);
    await add(cancelled.id, 'cancelled');
    expect((await uploads.cancel(cancelled.id)).status).toBe('cancelled');
    await expect(uploads.cancel(cancelled.id)).rejects.toThrow('is cancelled');
    const late = await create(5);
    await add(late.id, 'late!');
    clock = late.expiresAt;
    await expect(add(late.id, 'x')).rejects.toThrow('is expired');
    await sweepUploads(database().db, database().contents, clock);
    expect(await database().stored()).toEqual(before);
    clock += 24 * 3_600;
    await sweepUploads(database().db, database().contents, clock);
    await expect(uploads.cancel(late.id)).rejects.toThrow('No upload');
  });

  it('are not there for another project', async () => {
    const { id } = await create(1);
    const other = uploadStore(database().db, database().contents, 'two', now);
    await expect(other.cancel(id)).rejects.toThrow('No upload');
    await expect(other.complete(id, { parts: [] })).rejects.toThrow('No upload');
    await expect(uploads.cancel('upload_\0')).rejects.toThrow('No upload');
  });
});
