/** An app with storage in a temporary directory, over models that the test decides about. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LanguageModel } from '@steelyard/engine';
import { openStorage, type Storage } from '@steelyard/storage';
import type { Hono } from 'hono';
import { createApp, type AppEnv, type AppOptions } from '../src/app.ts';
import { Lifecycle } from '../src/lifecycle.ts';
import { providerOf } from '../src/model-provider.ts';
import { DEFAULT_LIMITS } from '../src/options.ts';
import { post } from './requests.ts';

export interface KeptServer {
  readonly app: Hono<AppEnv>;
  readonly lifecycle: Lifecycle;
  /** What the server keeps now; another after `restart`. */
  readonly storage: () => Storage;
  readonly get: (path: string) => Promise<Response>;
  readonly post: (path: string, body?: unknown) => Promise<Response>;
  readonly remove: (path: string) => Promise<Response>;
  /** Closes the storage and opens it again, as a new process would. */
  readonly restart: () => Promise<void>;
  /** Ends this server as a signal would, and gives the next one with the same storage. */
  readonly successor: (
    models?: readonly LanguageModel[],
    options?: Partial<AppOptions>,
  ) => Promise<KeptServer>;
  readonly close: () => Promise<void>;
}

export async function keptServer(
  models: readonly LanguageModel[],
  options: Partial<AppOptions> = {},
): Promise<KeptServer> {
  return serverIn(await mkdtemp(join(tmpdir(), 'steelyard-kept-')), models, options);
}

async function serverIn(
  directory: string,
  models: readonly LanguageModel[],
  options: Partial<AppOptions>,
): Promise<KeptServer> {
  let storage = await openStorage({ directory });
  const lifecycle = new Lifecycle(100);
  const app = createApp(
    {
      models: providerOf(models),
      host: '127.0.0.1',
      limits: DEFAULT_LIMITS,
      chatPage: false,
      storage: () => Promise.resolve(storage),
      onError: () => {},
      ...options,
    },
    lifecycle,
  );
  return {
    app,
    lifecycle,
    storage: () => storage,
    get: (path) => Promise.resolve(app.request(path)),
    post: (path, body) =>
      body === undefined ? Promise.resolve(app.request(path, { method: 'POST' })) : post(app, path, body),
    remove: (path) => Promise.resolve(app.request(path, { method: 'DELETE' })),
    async restart() {
      await storage.close();
      storage = await openStorage({ directory });
    },
    async successor(next = models, changed = {}) {
      await lifecycle.drain(0);
      await storage.close();
      return serverIn(directory, next, { ...options, ...changed });
    },
    async close() {
      await lifecycle.drain(0);
      await storage.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export async function errorOf(response: Response) {
  const body = (await response.json()) as { error: Record<string, unknown> };
  return { status: response.status, ...body.error };
}
