/** The services that commands use outside of tests: the packages below, loaded when first asked for. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readJson } from './read-json.ts';
import type { Services } from './services.ts';
import { openRealStore } from './real-store.ts';
import { storageWhenNeeded } from './storage-when-needed.ts';

/** Page size and cache format as the engine's defaults have them. */
const PAGE_SIZE = 32;
const KV_DTYPE = 'f16';

export function createServices(): Services {
  return {
    openStore: openRealStore,
    async openLanguageModel(path, options) {
      const engine = await import('@steelyard/engine/node');
      return engine.openLanguageModel(path, withoutUndefined(options));
    },
    async openEmbeddingModel(path, options) {
      const engine = await import('@steelyard/engine/node');
      return engine.openEmbeddingModel(path, withoutUndefined(options));
    },
    async makesVectors(path) {
      const [{ openModel }, { makesVectors }] = await Promise.all([
        import('@steelyard/formats/node'),
        import('@steelyard/models'),
      ]);
      const file = openModel(path);
      try {
        return makesVectors(file);
      } finally {
        file.close();
      }
    },
    async architectures() {
      return (await import('@steelyard/models')).architectures;
    },
    async inspect(path) {
      const [{ openModel }, { isEncoder, loadModel }] = await Promise.all([
        import('@steelyard/formats/node'),
        import('@steelyard/models'),
      ]);
      const file = openModel(path);
      try {
        const output = isEncoder(file) ? 'hidden' : 'logits';
        const model = loadModel(file, { pageSize: PAGE_SIZE, kvDType: KV_DTYPE, output });
        return { file, model, pageSize: PAGE_SIZE };
      } catch (error) {
        file.close();
        throw error;
      }
    },
    async cpuReport() {
      const { cpuAvailability, wasmAvailability } = await import('@steelyard/backend-cpu');
      return { ...cpuAvailability(), wasm: wasmAvailability() };
    },
    async hubUrl(env) {
      const { hubEndpoint } = await import('@steelyard/hub');
      return hubEndpoint(env);
    },
    async openRecords(options) {
      return (await import('@steelyard/storage')).openRecords(options);
    },
    async describeModel(path, options) {
      const engine = await import('@steelyard/engine/node');
      return engine.describeModel(path, withoutUndefined(options));
    },
    async forbidEgress(allowed) {
      const { forbidEgress } = await import('@steelyard/core/node');
      forbidEgress({ allowed });
    },
    async openTracing(options) {
      return (await import('@steelyard/server')).openTracing(options);
    },
    async readRoutes(file) {
      const { parseRouting } = await import('@steelyard/server/config');
      return parseRouting(await readJson(file), file);
    },
    async readMcpServers(given) {
      const { joinMcpServers, parseMcpServers } = await import('@steelyard/server/config');
      const all = given.map(async (one) => {
        const [, label, url] = /^([\w-]+)=(https?:.+)$/.exec(one) ?? [];
        return label === undefined
          ? parseMcpServers(await readJson(one), one)
          : parseMcpServers({ mcpServers: { [label]: { url } } }, one);
      });
      return joinMcpServers(await Promise.all(all));
    },
    async receipts() {
      const server = await import('@steelyard/server');
      return {
        read: server.readReceipts,
        readAny: server.readAnyReceipts,
        replay: server.replayReceipt,
        compare: server.compareReceipts,
        firstDifference: server.firstDifference,
        signatureHolds: server.signatureHolds,
      };
    },
    async createModelPool(catalog, options) {
      const { ModelPool } = await import('@steelyard/server');
      return new ModelPool(catalog, options);
    },
    async administration(records) {
      return (await import('@steelyard/server')).administration(records);
    },
    async createServer(asked) {
      const { dataDirectory, databaseUrl, s3, onNotice, ...asks } = asked;
      const { receiptsAlways = false, routes, mcp = [], ...options } = asks;
      const { createServer, fileSealer, fileSigner } = await import('@steelyard/server');
      const storage = storageWhenNeeded({
        directory: dataDirectory,
        ...(databaseUrl && { databaseUrl }),
        ...(s3 && { s3 }),
        ...(onNotice && { onNotice }),
      });
      const server = createServer({
        ...options,
        storage: storage.open,
        // An embedded database that nobody has used yet waits for its first use.
        opensStorage: databaseUrl !== undefined || existsSync(join(dataDirectory, 'database')),
        ...(routes === undefined
          ? {}
          : { routing: typeof routes === 'string' ? await this.readRoutes(routes) : routes }),
        ...(mcp.length > 0 ? { mcpServers: await this.readMcpServers(mcp) } : {}),
        receipts: { always: receiptsAlways, sign: fileSigner(join(dataDirectory, 'receipt-key.pem')) },
        sealer: fileSealer(join(dataDirectory, 'reasoning-key')),
      });
      return {
        ...server,
        async close() {
          await server.close();
          await storage.close();
        },
      };
    },
  };
}

/** Options that were not given must be absent: defaults below apply to missing keys. */
function withoutUndefined<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}
