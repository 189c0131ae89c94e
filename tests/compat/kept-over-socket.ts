/** A server with storage on a socket, and OpenAI's SDK pointed at it. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createStubEmbeddingModel, createStubModel } from '@steelyard/engine/testing';
import { createServer, providerOf, type ServerOptions } from '@steelyard/server';
import { openStorage } from '@steelyard/storage';
import OpenAI from 'openai';

export interface KeptOverSocket {
  readonly client: OpenAI;
  readonly url: string;
  close(): Promise<void>;
}

/** Serves the models `stub`, which says what it is told, and `vectors`, unless the options say otherwise. */
export async function startKeptServer(options: Partial<ServerOptions> = {}): Promise<KeptOverSocket> {
  const directory = await mkdtemp(join(tmpdir(), 'steelyard-kept-'));
  const storage = await openStorage({ directory });
  const server = createServer({
    models: providerOf([createStubModel({ name: 'stub' })]),
    embeddingModels: providerOf([createStubEmbeddingModel({ name: 'vectors' })]),
    port: 0,
    chatPage: false,
    storage: () => Promise.resolve(storage),
    limits: { drainMs: 0 },
    ...options,
  });
  const { url } = await server.listen();
  return {
    url,
    client: new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 }),
    async close() {
      await server.close();
      await storage.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
