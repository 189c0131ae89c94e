/** A hub of one repository, as much of its API as a pull uses. */

import { createHash } from 'node:crypto';
import { sendFile, sendJson, serve, sha256, type FileOptions, type TestServer } from './serve.ts';

export const COMMIT = 'c0ffee'.padEnd(40, '0');

export interface FakeHub extends TestServer {
  readonly env: Record<string, string>;
  /** Change what is sent for a file, per request. */
  behave: (path: string, request: number) => FileOptions & { body?: Buffer };
}

/** Files below 1 kB are kept in git, larger ones in LFS, as on the real hub. */
export async function fakeHub(files: Record<string, Buffer>, repo = 'owner/repo'): Promise<FakeHub> {
  const counts = new Map<string, number>();
  const server = await serve((request, response) => {
    const path = decodeURIComponent((request.url ?? '').split('?')[0] ?? '');
    if (path === `/api/models/${repo}/revision/main`) {
      return sendJson(response, {
        sha: COMMIT,
        cardData: { license: 'apache-2.0', base_model: 'owner/base' },
      });
    }
    if (path === `/api/models/${repo}/tree/${COMMIT}`) return sendJson(response, tree(files));
    const name = path.slice(`/${repo}/resolve/${COMMIT}/`.length);
    const body = path.startsWith(`/${repo}/resolve/${COMMIT}/`) ? files[name] : undefined;
    if (body === undefined) return sendJson(response, { error: 'Repository not found' }, 404);
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    const { body: other, ...options } = hub.behave(name, count);
    sendFile(request, response, other ?? body, options);
  });
  const hub: FakeHub = Object.assign(server, {
    env: { HF_ENDPOINT: server.url, HF_TOKEN: '' },
    behave: () => ({}),
  });
  return hub;
}

function tree(files: Record<string, Buffer>): unknown[] {
  return Object.entries(files).map(([path, body]) => {
    const oid = createHash('sha1').update(`blob ${body.length}\0`).update(body).digest('hex');
    const lfs = body.length < 1000 ? {} : { lfs: { oid: sha256(body), size: body.length, pointerSize: 134 } };
    return { type: 'file', path, size: body.length, oid, ...lfs };
  });
}
