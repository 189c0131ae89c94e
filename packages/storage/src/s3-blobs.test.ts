import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startFakeS3, type FakeS3 } from '../test/fake-s3.ts';
import type { BlobStore } from './blobs.ts';
import { openS3Blobs, type S3Options } from './s3-blobs.ts';
import { DEFAULT_PROJECT, openStorage } from './storage.ts';

const credentials = { accessKeyId: 'me', secretAccessKey: 'secret' };
let directory: string;
let server: FakeS3;
let options: S3Options;
let blobs: BlobStore;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'steelyard-s3-'));
  server = await startFakeS3('kept', 'me');
  options = { bucket: 'kept', endpoint: server.endpoint, prefix: 'steelyard/', credentials };
  blobs = await openS3Blobs(options, join(directory, 'blobs'));
});

afterAll(async () => {
  await server?.close();
  await rm(directory, { recursive: true, force: true });
});

const bytes = (content: string) => Readable.from([Buffer.from(content)]);

it('keeps contents under their digest, and gives them back', async () => {
  const staged = await blobs.stage(bytes('Grüße'), 100);
  expect(server.objects.size).toBe(0);
  await staged.commit();
  await staged.discard();
  const key = `steelyard/${staged.digest.slice(0, 2)}/${staged.digest}`;
  expect([...server.objects.keys()]).toEqual([key]);
  expect(await text(await blobs.read(staged.digest))).toBe('Grüße');
  expect(await readdir(join(directory, 'blobs', 'staging'))).toEqual([]);
  await blobs.remove(staged.digest);
  await expect(blobs.read(staged.digest)).rejects.toThrow('no content');
  await blobs.remove(staged.digest);
});

it('refuses what is too large before it is sent', async () => {
  await expect(blobs.stage(bytes('x'.repeat(11)), 10)).rejects.toThrow('expected at most 10');
  expect(await readdir(join(directory, 'blobs', 'staging'))).toEqual([]);
});

it.each([
  ['another bucket', { bucket: 'other' }, "bucket 'other' at"],
  ['another key', { credentials: { accessKeyId: 'you', secretAccessKey: 'x' } }, 'status 403'],
  ['no server', { endpoint: 'http://127.0.0.1:1' }, 'http://127.0.0.1:1 cannot be used'],
])('tells of %s when it is opened', async (_, more, message) => {
  await expect(openS3Blobs({ ...options, ...more }, directory)).rejects.toThrow(message);
});

it('holds the files of a storage', async () => {
  const storage = await openStorage({ directory: join(directory, 'data'), s3: options });
  const { files } = storage.project(DEFAULT_PROJECT);
  const staged = await files.stage(bytes('kept far away'), 100);
  const { id } = await files.create(staged, { filename: 'a', purpose: 'user_data' });
  expect(await text(await files.content(id))).toBe('kept far away');
  await files.remove(id);
  expect(server.objects.size).toBe(0);
  await storage.close();
});
