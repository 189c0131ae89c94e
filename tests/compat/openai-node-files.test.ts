/** Files by OpenAI's official Node SDK, over a socket. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createStubModel } from '@steelyard/engine/testing';
import { createServer, providerOf, type SteelyardServer } from '@steelyard/server';
import { openStorage, type Storage } from '@steelyard/storage';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, expect, it } from 'vitest';

let directory: string;
let storage: Storage;
let server: SteelyardServer;
let client: OpenAI;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'steelyard-files-'));
  storage = await openStorage({ directory });
  const models = providerOf([createStubModel({ name: 'stub' })]);
  server = createServer({ models, port: 0, chatPage: false, storage: () => Promise.resolve(storage) });
  const { url } = await server.listen();
  client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
}, 60_000);

afterAll(async () => {
  await server?.close();
  await storage?.close();
  await rm(directory, { recursive: true, force: true });
});

it('uploads, retrieves, reads and deletes a file', async () => {
  const file = await client.files.create({
    file: await toFile(Buffer.from('{"n":1}\n'), 'Grüße.jsonl'),
    purpose: 'batch',
    expires_after: { anchor: 'created_at', seconds: 3600 },
  });
  expect(file).toMatchObject({ object: 'file', bytes: 8, filename: 'Grüße.jsonl', purpose: 'batch' });
  expect(file.expires_at).toBe(file.created_at + 3600);
  expect(await client.files.retrieve(file.id)).toEqual(file);
  expect(await (await client.files.content(file.id)).text()).toBe('{"n":1}\n');
  expect(await client.files.delete(file.id)).toEqual({ id: file.id, object: 'file', deleted: true });
  await expect(client.files.retrieve(file.id)).rejects.toThrow(OpenAI.NotFoundError);
});

it('pages through files by itself', async () => {
  const sent: string[] = [];
  for (let i = 0; i < 5; i++) {
    const file = await toFile(Buffer.from(`${i}`), `${i}.txt`);
    sent.push((await client.files.create({ file, purpose: 'user_data' })).id);
  }
  const seen: string[] = [];
  for await (const file of client.files.list({ limit: 2, order: 'asc', purpose: 'user_data' }))
    seen.push(file.id);
  expect(seen).toEqual(sent);
});

it('gets errors that it understands', async () => {
  const file = await toFile(Buffer.from('x'), 'x');
  const refused = client.files.create({ file, purpose: 'fun' as 'batch' });
  await expect(refused).rejects.toMatchObject({ status: 400, param: 'purpose', code: 'invalid_value' });
});
