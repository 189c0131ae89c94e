/** Every example of the documentation, run as it stands against a server over a socket. */

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createStubEmbeddingModel, createStubModel } from '@steelyard/engine/testing';
import { createServer, parseMcpServers, providerOf, type SteelyardServer } from '@steelyard/server';
import { fillExample, groups } from '@steelyard/server/docs';
import { openStorage, type Storage } from '@steelyard/storage';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startToolServer, type ToolServer } from '../../packages/server/test/mcp-server.ts';

const run = promisify(execFile);
/** Where `import OpenAI from 'openai'` finds the SDK. */
const root = fileURLToPath(new URL('../..', import.meta.url));

let directory: string;
let storage: Storage;
let toolServer: ToolServer;
let server: SteelyardServer;
let origin: string;
/** Asks for keys, and takes the one given as an admin's. */
let administered: SteelyardServer;
let administeredOrigin: string;
const ADMIN_KEY = 'an admin key';

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'steelyard-examples-'));
  storage = await openStorage({ directory });
  const model = createStubModel({
    name: 'stub',
    marks: '<tool_call>',
    // What a model under a schema would write; the stub is held to it all the same.
    reply(messages) {
      const last = JSON.stringify(messages.at(-1));
      if (last.includes('2 + 3'))
        return '<tool_call>{"name": "add", "arguments": {"a": 2, "b": 3}}</tool_call>';
      return last.includes('longer') ? '{"longer": true}' : 'An answer.';
    },
  });
  toolServer = await startToolServer();
  const numbers = { url: toolServer.url, local: true };
  const common = {
    models: providerOf([model]),
    embeddingModels: providerOf([createStubEmbeddingModel({ name: 'vectors' })]),
    storage: () => Promise.resolve(storage),
    moderation: { model: 'stub' },
    mcpServers: parseMcpServers({ mcpServers: { numbers } }, 'examples'),
    port: 0,
  };
  server = createServer(common);
  origin = (await server.listen()).url;
  administered = createServer({ ...common, keys: true, apiKey: ADMIN_KEY });
  administeredOrigin = (await administered.listen()).url;
}, 240_000);

afterAll(async () => {
  await server?.close();
  await administered?.close();
  await toolServer?.close();
  await storage?.close();
  await rm(directory, { recursive: true, force: true });
});

const examples = groups.flatMap(({ slug, examples: of }) =>
  of.map((example) => [`${slug}: ${example.title}`, slug, example] as const),
);

it.each(examples)('%s', async (_, slug, { language, code }) => {
  const at = slug === 'organization' ? administeredOrigin : origin;
  const filled = fillExample(code, { origin: at, model: 'stub', embeddingModel: 'vectors' });
  const [command, args] =
    language === 'sh'
      ? (['bash', ['-euo', 'pipefail', '-c', filled]] as const)
      : (['node', ['--input-type=module', '-e', filled]] as const);
  const { stdout } = await run(command, args, {
    cwd: root,
    timeout: 30_000,
    env: { ...process.env, STEELYARD_ADMIN_KEY: ADMIN_KEY },
  });
  expect(stdout).not.toBe('');
});

it('shows every group an example', () => {
  for (const { slug, examples: of } of groups) expect(of.length, slug).toBeGreaterThan(0);
});
