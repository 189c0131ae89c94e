import { setTimeout as sleep } from 'node:timers/promises';
import { createStubEmbeddingModel } from '@steelyard/engine/testing';
import { DEFAULT_PROJECT } from '@steelyard/storage';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakeModel } from '../../test/fake-model.ts';
import { errorOf, keptServer, type KeptServer } from '../../test/kept-server.ts';
import { upload } from '../../test/multipart.ts';
import { ANYBODY } from '../access/caller.ts';
import { providerOf } from '../model-provider.ts';
import type { BatchList, BatchObject } from '../schemas/batches.ts';
import type { FileObject } from '../schemas/files.ts';
import { moderationCategories } from '../schemas/moderations.ts';

const chat = '/v1/chat/completions';
const ENDS = ['completed', 'failed', 'cancelled', 'expired'];

/** While held, no answer begins. */
const gate = { held: false };
const pace = async () => {
  while (gate.held) await sleep(5);
};
const model = fakeModel({ pace });
const verdict = JSON.stringify(Object.fromEntries(moderationCategories.map((one) => [one, 0])));
const judge = fakeModel({ name: 'judge', pieces: [verdict] });
let server: KeptServer;

beforeAll(async () => {
  server = await keptServer([model, fakeModel({ name: 'other' }), judge], {
    moderation: { model: 'judge' },
    embeddingModels: providerOf([createStubEmbeddingModel({ name: 'vectors' })]),
  });
}, 120_000);
afterAll(() => server?.close());

const ask = (custom_id: string, body: object = {}, more: object = {}) => ({
  ...{ custom_id, method: 'POST', url: chat },
  body: { model: 'fake', messages: [{ role: 'user', content: 'hi' }], ...body },
  ...more,
});

async function sent(lines: readonly unknown[]): Promise<string> {
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
  const response = await upload(server.app, { purpose: 'batch', file: new File([text], 'in.jsonl') });
  return ((await response.json()) as FileObject).id;
}

async function create(lines: readonly unknown[], more: object = {}): Promise<BatchObject> {
  const body = { input_file_id: await sent(lines), endpoint: chat, completion_window: '24h', ...more };
  const response = await server.post('/v1/batches', body);
  expect(response.status).toBe(200);
  return (await response.json()) as BatchObject;
}

const get = async (id: string) => (await (await server.get(`/v1/batches/${id}`)).json()) as BatchObject;

async function ended(id: string): Promise<BatchObject> {
  for (;;) {
    const batch = await get(id);
    if (ENDS.includes(batch.status)) return batch;
    await sleep(20);
  }
}

interface OutputLine {
  id: string;
  custom_id: string;
  response: { status_code: number; request_id: string; body: Record<string, unknown> } | null;
  error: { code: string } | null;
}

async function linesOf(fileId: string | undefined): Promise<OutputLine[]> {
  const text = await (await server.get(`/v1/files/${fileId}/content`)).text();
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as OutputLine);
}

describe('batches', () => {
  it('answer every line, each in its file', async () => {
    const lines = [
      ask('a'),
      '',
      ask('b', { temperature: 9 }),
      ask('c', { stream: true }),
      ask('d', { n: 2 }),
    ];
    const batch = await create(lines, {
      metadata: { night: 'yes' },
      output_expires_after: { anchor: 'created_at', seconds: 3_600 },
    });
    expect(batch).toMatchObject({ object: 'batch', status: 'validating', metadata: { night: 'yes' } });
    expect(batch.expires_at - batch.created_at).toBe(86_400);
    const done = await ended(batch.id);
    expect(done).toMatchObject({
      status: 'completed',
      model: 'fake',
      request_counts: { total: 4, completed: 2, failed: 2 },
      usage: { input_tokens: 2, output_tokens: 9, total_tokens: 11 },
    });
    for (const time of [done.in_progress_at, done.finalizing_at, done.completed_at])
      expect(time).toBeGreaterThan(0);
    const output = await linesOf(done.output_file_id);
    expect(output.map(({ custom_id }) => custom_id)).toEqual(['a', 'd']);
    expect(output[0]).toMatchObject({
      id: expect.stringMatching(/^batch_req_/) as string,
      error: null,
      response: { status_code: 200, body: { object: 'chat.completion' } },
    });
    const errors = await linesOf(done.error_file_id);
    expect(errors.map(({ response }) => response)).toMatchObject([
      { status_code: 400, body: { error: { param: 'temperature' } } },
      { status_code: 400, body: { error: { param: 'stream' } } },
    ]);
    const file = (await (await server.get(`/v1/files/${done.output_file_id}`)).json()) as FileObject;
    expect(file).toMatchObject({ purpose: 'batch_output', filename: `${batch.id}_output.jsonl` });
    expect(file.expires_at).toBe(file.created_at + 3_600);
  });

  it.each([
    ['/v1/completions', { prompt: 'x' }, 'text_completion'],
    ['/v1/responses', { input: 'x' }, 'response'],
    ['/v1/embeddings', { input: 'x', model: 'vectors' }, 'list'],
    ['/v1/rerank', { query: 'x', documents: ['x', 'y'], model: 'vectors' }, 'list'],
  ])('ask %s', async (endpoint, body, object) => {
    const line = { custom_id: '1', method: 'POST', url: endpoint, body: { model: 'fake', ...body } };
    const done = await ended((await create([line], { endpoint })).id);
    expect(done).toMatchObject({ status: 'completed', request_counts: { completed: 1 } });
    expect((await linesOf(done.output_file_id))[0]!.response!.body).toMatchObject({ object });
  });

  it("ask /v1/moderations, whose lines may leave the model out or name OpenAI's", async () => {
    const endpoint = '/v1/moderations';
    const line = (custom_id: string, body: object) => ({ custom_id, method: 'POST', url: endpoint, body });
    const bodies = [
      { input: 'x' },
      { input: 'x', model: 'omni-moderation-latest' },
      { input: 'x', model: null },
    ];
    const lines = bodies.map((body, i) => line(String(i), body));
    const done = await ended((await create(lines, { endpoint })).id);
    expect(done).toMatchObject({ status: 'completed', model: 'judge', request_counts: { completed: 3 } });
    for (const { response } of await linesOf(done.output_file_id))
      expect(response!.body).toMatchObject({ model: 'judge', results: [{ flagged: false }] });
    const wrong = await ended((await create([line('a', { input: 'x', model: 'fake' })], { endpoint })).id);
    expect(wrong).toMatchObject({ status: 'failed', errors: { data: [{ code: 'model_not_found' }] } });
  });

  it('tell of a verdict that did not come, and do not wait for another', async () => {
    const silent = fakeModel({ name: 'silent', pieces: Array<string>(500).fill(' ') });
    const kept = await keptServer([silent], { moderation: { model: 'silent' } });
    const before = server;
    server = kept;
    try {
      const endpoint = '/v1/moderations';
      const line = { custom_id: '0', method: 'POST', url: endpoint, body: { input: 'x' } };
      const done = await ended((await create([line], { endpoint })).id);
      expect(done).toMatchObject({ status: 'completed', request_counts: { failed: 1 } });
      expect((await linesOf(done.error_file_id))[0]!.response!.body).toMatchObject({
        error: { code: 'moderation_failed' },
      });
    } finally {
      server = before;
      await kept.close();
    }
  });

  it('are checked line by line before anything is computed', async () => {
    const asked = model.asked.length;
    const lines = [
      ask('a'),
      '{"custom_id": ',
      ask('a'),
      ask('b', {}, { method: 'GET' }),
      ask('c', {}, { url: '/v1/embeddings' }),
      ask('d', { model: 'other' }),
      { method: 'POST', url: chat, body: {} },
      ask('e', {}, { body: 'text' }),
      `${'['.repeat(100)}${']'.repeat(100)}`,
    ];
    const done = await ended((await create(lines)).id);
    expect(done.status).toBe('failed');
    expect(done.errors!.data.map(({ code, line, param }) => [line, code, param])).toEqual([
      [2, 'invalid_json_line', null],
      [3, 'duplicate_custom_id', 'custom_id'],
      [4, 'invalid_method', 'method'],
      [5, 'mismatched_url', 'url'],
      [6, 'mismatched_model', 'body.model'],
      [7, 'missing_required_parameter', 'custom_id'],
      [8, 'invalid_type', 'body'],
      [9, 'invalid_json_line', null],
    ]);
    expect(model.asked).toHaveLength(asked);
  });

  it.each([
    [[], 'empty_file'],
    [[ask('a', { model: 'none' })], 'model_not_found'],
  ])('fail when there is nothing to answer: %#', async (lines, code) => {
    const done = await ended((await create(lines)).id);
    expect(done).toMatchObject({ status: 'failed', errors: { object: 'list', data: [{ code }] } });
  });

  it('stop when cancelled; what was answered is kept, the rest is told', async () => {
    const done = model.asked.length;
    const lines = Array.from({ length: 30 }, (_, i) => ask(`${i}`));
    gate.held = true;
    const { id } = await create(lines);
    await expect.poll(() => model.asked.length).toBe(done + 8);
    const response = await server.post(`/v1/batches/${id}/cancel`);
    expect(await response.json()).toMatchObject({ id, status: 'cancelling' });
    gate.held = false;
    const batch = await ended(id);
    expect(batch).toMatchObject({ status: 'cancelled', request_counts: { total: 30, failed: 30 } });
    expect((await linesOf(batch.error_file_id))[29]!.error!.code).toBe('batch_cancelled');
    expect(await errorOf(await server.post(`/v1/batches/${(await create(['x'])).id}9/cancel`))).toMatchObject(
      {
        status: 404,
        code: 'batch_not_found',
      },
    );
  });

  it('expire; lines without answer say so', async () => {
    const inputFileId = await sent([ask('a'), ask('b')]);
    // What this server still has in the background would take the batch before it has begun.
    await server.lifecycle.drain(0);
    const kept = server.storage();
    const batches = kept.project(DEFAULT_PROJECT).batches;
    const given = {
      caller: { ...ANYBODY },
      endpoint: chat,
      inputFileId,
      completionWindow: '24h',
      windowSeconds: 0,
    };
    const { id } = await batches.create(given, 1_000);
    // The oldest comes first, and others may not have ended.
    const claimed: string[] = [];
    while (!claimed.includes(id)) claimed.push((await kept.batchQueue.claim(60, claimed))!.id);
    expect(await kept.batchQueue.begin(id, { model: 'fake', total: 2 })).toBe(true);
    server = await server.successor();
    const done = await ended(id);
    expect(done).toMatchObject({ status: 'expired', request_counts: { total: 2, completed: 0, failed: 2 } });
    expect((await linesOf(done.error_file_id)).map(({ error }) => error!.code)).toEqual([
      'batch_expired',
      'batch_expired',
    ]);
  });

  it('go on after a restart where they stopped, and answer no line twice', async () => {
    const lines = Array.from({ length: 40 }, (_, i) => ask(`${i}`));
    const { id } = await create(lines);
    await expect
      .poll(async () => (await get(id)).request_counts.completed, {
        interval: 5,
      })
      .toBeGreaterThan(3);
    gate.held = true;
    const stopping = server.successor();
    gate.held = false;
    server = await stopping;
    const done = await ended(id);
    expect(done.request_counts).toEqual({ total: 40, completed: 40, failed: 0 });
    const ids = (await linesOf(done.output_file_id)).map(({ custom_id }) => custom_id);
    expect(ids).toEqual(lines.map(({ custom_id }) => custom_id));
  });

  it('outlive their input file', async () => {
    gate.held = true;
    const { id, input_file_id } = await create([ask('a')]);
    await server.remove(`/v1/files/${input_file_id}`);
    gate.held = false;
    expect(await ended(id)).toMatchObject({ status: 'completed', request_counts: { completed: 1 } });
  });

  it('are listed, newest first, in pages', async () => {
    const page = async (query: string) =>
      (await (await server.get(`/v1/batches?${query}`)).json()) as BatchList;
    const first = await page('limit=2');
    expect(first).toMatchObject({ object: 'list', has_more: true, last_id: first.data[1]!.id });
    const next = await page(`limit=1&after=${first.last_id}`);
    expect(next.data[0]!.created_at).toBeLessThanOrEqual(first.data[1]!.created_at);
    expect(first.data.map(({ id }) => id)).not.toContain(next.data[0]!.id);
    expect(await errorOf(await server.get('/v1/batches?after=batch_9'))).toMatchObject({ param: 'after' });
  });

  it.each([
    [{ endpoint: '/v1/files' }, 'endpoint'],
    [{ completion_window: '1h' }, 'completion_window'],
    [{ input_file_id: 'file-9' }, 'input_file_id'],
    [{ metadata: { a: 1 } }, 'metadata.a'],
    [{ output_expires_after: { anchor: 'created_at', seconds: 5 } }, 'output_expires_after.seconds'],
  ])('are refused with %o', async (more, param) => {
    const body = { input_file_id: 'file-1', endpoint: chat, completion_window: '24h', ...more };
    expect(await errorOf(await server.post('/v1/batches', body))).toMatchObject({ status: 400, param });
  });

  it('take files of their purpose only', async () => {
    const response = await upload(server.app, { purpose: 'user_data', file: new File(['{}'], 'a') });
    const { id } = (await response.json()) as FileObject;
    const body = { input_file_id: id, endpoint: chat, completion_window: '24h' };
    expect(await errorOf(await server.post('/v1/batches', body))).toMatchObject({
      status: 400,
      param: 'input_file_id',
    });
  });
});
