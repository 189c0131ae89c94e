/** Uploads in parts by OpenAI's official Node SDK, over a socket. */

import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { toFile } from 'openai';
import { startKeptServer, type KeptOverSocket } from './kept-over-socket.ts';

let kept: KeptOverSocket;
beforeAll(async () => (kept = await startKeptServer()), 60_000);
afterAll(() => kept?.close());

it('sends a file in parts at once, and reads it whole', async () => {
  const { uploads, files } = kept.client;
  const contents = ['{"n":1}\n', '{"n":2}\n', '{"n":3}\n'];
  const whole = contents.join('');
  const upload = await uploads.create({
    filename: 'parts.jsonl',
    purpose: 'batch',
    bytes: whole.length,
    mime_type: 'application/jsonl',
  });
  const parts = await Promise.all(
    contents.map(async (content) =>
      uploads.parts.create(upload.id, { data: await toFile(Buffer.from(content), 'p') }),
    ),
  );
  const md5 = createHash('md5').update(whole).digest('hex');
  const done = await uploads.complete(upload.id, { part_ids: parts.map(({ id }) => id), md5 });
  expect(done.status).toBe('completed');
  expect(await (await files.content(done.file!.id)).text()).toBe(whole);
});

it('cancels', async () => {
  const { uploads } = kept.client;
  const { id } = await uploads.create({ filename: 'a', purpose: 'vision', bytes: 1, mime_type: 'image/png' });
  expect((await uploads.cancel(id)).status).toBe('cancelled');
  await expect(uploads.cancel(id)).rejects.toMatchObject({ status: 400 });
});
