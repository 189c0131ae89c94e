/** Batches: every line has one answer in the end, whatever was killed meanwhile, and is counted once. */

import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { BatchObject } from '../../../src/schemas/batches.ts';
import type { Api } from '../api.ts';
import type { Kind } from '../kind.ts';
import { sendFile } from './files.ts';

const PATH = '/v1/batches';
const ENDPOINT = '/v1/chat/completions';
const MOST_LINES = 25;
/** Batches that are not done, at most. */
const MOST_PENDING = 3;
const WORKING = ['validating', 'in_progress', 'finalizing'];

interface Begun {
  readonly lines: readonly string[];
  /** Seen when it was done: it stays so. */
  done?: BatchObject;
}

interface OutputLine {
  readonly custom_id: string;
  readonly error: unknown;
  readonly response: {
    readonly status_code: number;
    readonly body: { readonly usage: { total_tokens: number } };
  };
}

export function batches(): Kind {
  const begun = new Map<string, Begun>();
  let acknowledged = 0;
  let serial = 0;

  async function compare(api: Api, id: string, batch: Begun): Promise<boolean> {
    const now = await api.get<BatchObject>(`${PATH}/${id}`);
    if (batch.done) expect(now, 'a batch that was done stays as it was').toEqual(batch.done);
    if (WORKING.includes(now.status)) return false;
    const { lines } = batch;
    expect(now, id).toMatchObject({
      status: 'completed',
      request_counts: { total: lines.length, completed: lines.length, failed: 0 },
    });
    const output = await outputOf(api, now);
    expect(
      output.map(({ custom_id }) => custom_id),
      `${id}: each line once, in order`,
    ).toEqual(lines);
    for (const { response, error } of output) expect([response.status_code, error]).toEqual([200, null]);
    const tokens = output.reduce((sum, { response }) => sum + response.body.usage.total_tokens, 0);
    expect(now.usage?.total_tokens, `${id}: usage of each line once`).toBe(tokens);
    if (!batch.done) acknowledged++;
    batch.done = now;
    return true;
  }

  return {
    name: 'batches',
    acknowledged: () => acknowledged,
    async write(api, random) {
      const pending = [...begun].filter(([, { done }]) => !done);
      if (pending.length >= MOST_PENDING) {
        await sleep(20);
        for (const [id, batch] of pending) await compare(api, id, batch);
        return;
      }
      const batch = serial++;
      const lines = Array.from({ length: 1 + random(MOST_LINES) }, (_, i) => `${batch}-${i}`);
      const text = lines.map((custom_id) => JSON.stringify(ask(custom_id))).join('\n');
      const input_file_id = await sendFile(api, 'batch', Buffer.from(text));
      const body = { input_file_id, endpoint: ENDPOINT, completion_window: '24h' };
      const { id } = await api.post<BatchObject>(PATH, body);
      acknowledged++;
      begun.set(id, { lines });
    },
    async check(api) {
      for (const [id, batch] of begun) await compare(api, id, batch);
    },
    async clear(api) {
      for (const [id, { done }] of [...begun]) {
        if (!done) continue;
        for (const file of [done.output_file_id, done.input_file_id]) await api.remove(`/v1/files/${file}`);
        begun.delete(id);
      }
    },
    async end(api) {
      for (const [id, batch] of begun) while (!(await compare(api, id, batch))) await sleep(20);
    },
  };
}

function ask(custom_id: string) {
  const body = { model: 'fake', messages: [{ role: 'user', content: custom_id }] };
  return { custom_id, method: 'POST', url: ENDPOINT, body };
}

async function outputOf(api: Api, { output_file_id }: BatchObject): Promise<OutputLine[]> {
  const text = Buffer.from(await api.bytes(`/v1/files/${output_file_id}/content`)).toString();
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as OutputLine);
}
