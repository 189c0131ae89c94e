import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakeModel } from '../../test/fake-model.ts';
import { errorOf, keptServer, type KeptServer } from '../../test/kept-server.ts';
import type { UploadObject, UploadPart } from '../schemas/uploads.ts';

let server: KeptServer;
beforeAll(async () => (server = await keptServer([fakeModel()])), 120_000);
afterAll(() => server?.close());

const announced = { filename: 'big.jsonl', purpose: 'batch', bytes: 4, mime_type: 'application/jsonl' };

async function create(more: object = {}): Promise<UploadObject> {
  const response = await server.post('/v1/uploads', { ...announced, ...more });
  expect(response.status).toBe(200);
  return (await response.json()) as UploadObject;
}

function sendPart(id: string, fields: Record<string, string | File>): Promise<Response> {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  return Promise.resolve(server.app.request(`/v1/uploads/${id}/parts`, { method: 'POST', body }));
}

async function part(id: string, content: string): Promise<string> {
  const response = await sendPart(id, { data: new File([content], 'part') });
  const made = (await response.json()) as UploadPart;
  expect(made).toMatchObject({ object: 'upload.part', upload_id: id });
  return made.id;
}

describe('uploads', () => {
  it('become a file that can be read', async () => {
    const upload = await create({ expires_after: { anchor: 'created_at', seconds: 3_600 } });
    expect(upload).toMatchObject({ object: 'upload', status: 'pending', bytes: 4, purpose: 'batch' });
    expect(upload).not.toHaveProperty('file');
    expect(upload.expires_at - upload.created_at).toBe(3_600);
    const part_ids = [await part(upload.id, 'ab'), await part(upload.id, 'cd')];
    const md5 = createHash('md5').update('abcd').digest('hex');
    const done = await server.post(`/v1/uploads/${upload.id}/complete`, { part_ids, md5 });
    const { status, file } = (await done.json()) as UploadObject;
    expect({ status, file }).toMatchObject({
      status: 'completed',
      file: { object: 'file', bytes: 4, filename: 'big.jsonl', purpose: 'batch' },
    });
    expect(file!.expires_at).toBe(file!.created_at + 3_600);
    expect(await (await server.get(`/v1/files/${file!.id}/content`)).text()).toBe('abcd');
  });

  it('are cancelled', async () => {
    const { id } = await create();
    const response = await server.post(`/v1/uploads/${id}/cancel`);
    expect(await response.json()).toMatchObject({ id, status: 'cancelled' });
    expect(await errorOf(await server.post(`/v1/uploads/${id}/complete`, { part_ids: ['x'] }))).toMatchObject(
      {
        status: 400,
        param: 'upload_id',
      },
    );
  });

  it.each([
    [{ bytes: 0 }, 'bytes'],
    [{ bytes: 9e12 }, 'bytes'],
    [{ purpose: 'fun' }, 'purpose'],
    [{ mime_type: undefined }, 'mime_type'],
    [{ expires_after: { anchor: 'created_at', seconds: 1 } }, 'expires_after.seconds'],
    [{ colour: 'red' }, 'colour'],
  ])('refuse %o', async (more, param) => {
    const error = await errorOf(await server.post('/v1/uploads', { ...announced, ...more }));
    expect(error).toMatchObject({ status: 400, param });
  });

  it('say what is wrong with a part or an end', async () => {
    const { id } = await create();
    expect(await errorOf(await sendPart(id, { other: new File(['x'], 'part') }))).toMatchObject({
      status: 400,
      message: expect.stringContaining("expected it in 'data'") as string,
    });
    expect(await errorOf(await sendPart(id, {}))).toMatchObject({ status: 400, param: 'data' });
    const short = await part(id, 'ab');
    const complete = (body: unknown) => server.post(`/v1/uploads/${id}/complete`, body);
    expect(await errorOf(await complete({ part_ids: [short] }))).toMatchObject({ param: 'part_ids' });
    expect(await errorOf(await complete({ part_ids: [] }))).toMatchObject({ param: 'part_ids' });
    for (const unknown of ['upload_9', 'upload_%00']) {
      expect(await errorOf(await server.post(`/v1/uploads/${unknown}/cancel`))).toMatchObject({
        status: 404,
        code: 'upload_not_found',
      });
    }
  });
});
