/** A server that asks for keys, with storage in a temporary directory, and batches asked by its keys. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStorage, type Storage } from '@steelyard/storage';
import { expect } from 'vitest';
import type { ServerOptions, SteelyardServer } from '../src/options.ts';
import type { BatchObject } from '../src/schemas/batches.ts';
import type { KeyObject, ProjectObject } from '../src/schemas/organization.ts';
import { createServer } from '../src/server.ts';
import { upload } from './multipart.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

export interface OutputLine {
  readonly custom_id: string;
  readonly response: { status_code: number; request_id: string; body: Record<string, unknown> } | null;
  readonly error: { code: string; message: string } | null;
  readonly steelyard?: { computed_by: string };
}

export interface KeyedServer {
  readonly server: SteelyardServer;
  readonly storage: Storage;
  /** The admin key. */
  readonly admin: string;
  readonly call: (
    key: string,
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ) => Promise<Answer>;
  /** @returns its id */
  readonly newProject: (more?: object) => Promise<string>;
  readonly newKey: (more?: object, project?: string) => Promise<{ id: string; key: string }>;
  readonly revoke: (id: string, project?: string) => Promise<unknown>;
  /** Sends bodies as lines of a file, and asks for a batch of them. */
  readonly batch: (
    key: string,
    endpoint: string,
    bodies: readonly object[],
    asked?: { readonly headers?: Record<string, string>; readonly metadata?: object },
  ) => Promise<Answer>;
  /** The batch when it has ended. */
  readonly ended: (id: unknown) => Promise<BatchObject>;
  readonly lines: (fileId: string | undefined) => Promise<OutputLine[]>;
  readonly close: () => Promise<void>;
}

const ENDS = ['completed', 'failed', 'cancelled', 'expired'];

export async function keyedServer(options: ServerOptions): Promise<KeyedServer> {
  const directory = await mkdtemp(join(tmpdir(), 'steelyard-keyed-'));
  const storage = await openStorage({ directory });
  const server = createServer({
    ...{ storage: () => Promise.resolve(storage), keys: true, port: 0, chatPage: false },
    onError: () => {},
    ...options,
  });
  const admin = (await server.listen()).adminKey!;
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
  const call: KeyedServer['call'] = async (key, method, path, body, headers = {}) => {
    const response = await server.app.request(path, {
      method,
      headers: { ...bearer(key), ...headers, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return {
      status: response.status,
      headers: response.headers,
      body: (await response.json()) as Answer['body'],
    };
  };
  const keysOf = (project: string) => `/v1/organization/projects/${project}/api_keys`;
  return {
    ...{ server, storage, admin, call },
    async newProject(more = {}) {
      const made = await call(admin, 'POST', '/v1/organization/projects', { name: 'a team', ...more });
      return (made.body as unknown as ProjectObject).id;
    },
    async newKey(more = {}, project = 'default') {
      const made = await call(admin, 'POST', keysOf(project), { name: 'k', ...more });
      expect(made).toMatchObject({ status: 200 });
      const { id, value } = made.body as unknown as KeyObject;
      return { id, key: value! };
    },
    revoke: (id, project = 'default') => call(admin, 'DELETE', `${keysOf(project)}/${id}`),
    async batch(key, endpoint, bodies, { headers = {}, metadata } = {}) {
      const text = bodies
        .map((body, i) => JSON.stringify({ custom_id: String(i), method: 'POST', url: endpoint, body }))
        .join('\n');
      const file = await upload(
        server.app,
        { purpose: 'batch', file: new File([text], 'in.jsonl') },
        bearer(key),
      );
      const { id } = (await file.json()) as { id: string };
      const asked = {
        input_file_id: id,
        endpoint,
        completion_window: '24h',
        ...(metadata ? { metadata } : {}),
      };
      return call(key, 'POST', '/v1/batches', asked, headers);
    },
    async ended(id) {
      for (;;) {
        // A key of the project may be gone by now; an admin's belongs to the default one.
        const batch = await storage.project('default').batches.get(String(id));
        if (ENDS.includes(batch.status))
          return (await call(admin, 'GET', `/v1/batches/${batch.id}`)).body as never;
        await sleep(10);
      }
    },
    async lines(fileId) {
      const response = await server.app.request(`/v1/files/${fileId}/content`, { headers: bearer(admin) });
      const text = await response.text();
      return text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as OutputLine);
    },
    async close() {
      await server.close();
      await storage.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
