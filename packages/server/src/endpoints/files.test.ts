import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStorage, type Storage } from '@steelyard/storage';
import type { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakeModel } from '../../test/fake-model.ts';
import { upload } from '../../test/multipart.ts';
import { createApp, type AppEnv } from '../app.ts';
import type { ErrorObject } from '../schemas/error.ts';
import { fileSchema, type FileList, type FileObject } from '../schemas/files.ts';
import { Lifecycle } from '../lifecycle.ts';
import { providerOf } from '../model-provider.ts';
import { DEFAULT_LIMITS } from '../options.ts';

const models = providerOf([fakeModel()]);
const limits = { ...DEFAULT_LIMITS, fileBytes: 100_000 };
let directory: string;
let storage: Storage;
let app: Hono<AppEnv>;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'steelyard-files-'));
  storage = await openStorage({ directory });
  const options = { models, host: '127.0.0.1', limits, storage: () => Promise.resolve(storage) };
  app = createApp(options, new Lifecycle(1));
}, 60_000);

afterAll(async () => {
  await storage?.close();
  await rm(directory, { recursive: true, force: true });
});

const file = (content: string, name = 'a.jsonl') => new File([content], name);
const staged = () => readdir(join(directory, 'blobs', 'staging'));

async function errorOf(response: Response): Promise<ErrorObject & { status: number }> {
  const { error } = (await response.json()) as { error: ErrorObject };
  return { ...error, status: response.status };
}

async function sent(content: string, name?: string): Promise<FileObject> {
  const response = await upload(app, { purpose: 'batch', file: file(content, name) });
  expect(response.status).toBe(200);
  return (await response.json()) as FileObject;
}

describe('uploads', () => {
  it.each([
    ['before', ['purpose', 'file']],
    ['behind', ['file', 'purpose']],
  ])('take a file with its purpose %s it', async (_, order) => {
    const parts = { purpose: 'batch', file: file('{"a":1}\n') };
    const fields = Object.fromEntries(order.map((name) => [name, parts[name as keyof typeof parts]]));
    const response = await upload(app, {
      ...fields,
      'expires_after[anchor]': 'created_at',
      'expires_after[seconds]': '3600',
    });
    const body = (await response.json()) as FileObject;
    expect(body).toMatchObject({ object: 'file', bytes: 8, filename: 'a.jsonl', purpose: 'batch' });
    expect(body.expires_at).toBe(body.created_at + 3600);
  });

  it('take every purpose that OpenAI has', async () => {
    for (const purpose of ['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals']) {
      const response = await upload(app, { purpose, file: file('{}\n') });
      expect(fileSchema.parse(await response.json())).toMatchObject({ purpose });
    }
    expect(await (await app.request('/v1/files?purpose=evals')).json()).toMatchObject({
      data: [{ purpose: 'evals' }],
    });
  });

  it.each<[string, Record<string, string | File>, Partial<ErrorObject> & { status: number }]>([
    [
      'no purpose',
      { file: file('x') },
      { status: 400, param: 'purpose', code: 'missing_required_parameter' },
    ],
    [
      'another purpose',
      { file: file('x'), purpose: 'fun' },
      { status: 400, param: 'purpose', code: 'invalid_value' },
    ],
    ['no file', { purpose: 'batch' }, { status: 400, param: 'file', code: 'missing_required_parameter' }],
    [
      'a file elsewhere',
      { purpose: 'batch', data: file('x') },
      { status: 400, code: 'invalid_multipart_form' },
    ],
    ['two files', { file: file('x'), file2: file('y') }, { status: 400, code: 'invalid_multipart_form' }],
    [
      'a large file',
      { file: file('x'.repeat(100_001)) },
      { status: 413, param: 'file', code: 'file_too_large' },
    ],
    [
      'a large field',
      { file: file('x'), purpose: 'y'.repeat(5_000) },
      { status: 400, code: 'invalid_multipart_form' },
    ],
    [
      'an expiry too soon',
      {
        purpose: 'batch',
        file: file('x'),
        'expires_after[anchor]': 'created_at',
        'expires_after[seconds]': '5',
      },
      { status: 400, param: 'expires_after.seconds' },
    ],
    ['a hostile name', { purpose: 'batch', file: file('x'), '__proto__[x]': 'y' }, { status: 200 }],
  ])('with %s get a clear answer', async (_, fields, expected) => {
    const response = await upload(app, fields);
    if (expected.status === 200) expect(response.status).toBe(200);
    else expect(await errorOf(response)).toMatchObject(expected);
    expect(await staged()).toEqual([]);
  });

  it.each([
    ['a JSON body', 'application/json', '{}', 415],
    ['no boundary', 'multipart/form-data', 'x', 400],
    ['another boundary', 'multipart/form-data; boundary=a', '--b\r\n', 400],
    [
      'a form cut off in its file',
      'multipart/form-data; boundary=a',
      '--a\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nhalf',
      400,
    ],
    ['nothing', 'multipart/form-data; boundary=a', '', 400],
  ])('of %s are refused', async (_, type, body, status) => {
    const response = await app.request('/v1/files', {
      method: 'POST',
      headers: { 'content-type': type },
      body,
    });
    expect(await errorOf(response)).toMatchObject({ status, type: 'invalid_request_error' });
    expect(await staged()).toEqual([]);
  });
});

describe('files', () => {
  it('come back as they were, as something to save', async () => {
    const { id } = await sent('line\n', 'naïve (x).jsonl');
    const response = await app.request(`/v1/files/${id}/content`);
    expect(await response.text()).toBe('line\n');
    expect(response.headers.get('content-length')).toBe('5');
    expect(response.headers.get('content-disposition')).toBe(
      "attachment; filename*=UTF-8''na%C3%AFve%20%28x%29.jsonl",
    );
  });

  it('are listed in pages', async () => {
    const ids = [await sent('1'), await sent('2'), await sent('3')].map(({ id }) => id).toReversed();
    const first = (await (await app.request('/v1/files?limit=2')).json()) as FileList;
    expect(first).toMatchObject({ object: 'list', first_id: ids[0], last_id: ids[1], has_more: true });
    const next = (await (await app.request(`/v1/files?limit=1&after=${first.last_id}`)).json()) as FileList;
    expect(next.data.map(({ id }) => id)).toEqual([ids[2]]);
  });

  it.each(['limit=0', 'limit=x', 'order=up', 'after=file-9', 'purpose=fun'])(
    'are not listed by ?%s',
    async (query) => {
      const error = await errorOf(await app.request(`/v1/files?${query}`));
      expect(error).toMatchObject({ status: 400, param: query.split('=')[0] });
    },
  );

  it('go, and are not found afterwards', async () => {
    const { id } = await sent('gone');
    const response = await app.request(`/v1/files/${id}`, { method: 'DELETE' });
    expect(await response.json()).toEqual({ id, object: 'file', deleted: true });
    for (const path of [id, `${id}/content`, 'file-%00', 'a%2Fb']) {
      expect(await errorOf(await app.request(`/v1/files/${path}`))).toMatchObject({
        status: 404,
        code: 'file_not_found',
      });
    }
  });

  it('need storage', async () => {
    const bare = createApp({ models, host: '127.0.0.1', limits }, new Lifecycle(1));
    expect(await errorOf(await bare.request('/v1/files'))).toMatchObject({
      status: 501,
      code: 'storage_not_configured',
    });
  });
});
