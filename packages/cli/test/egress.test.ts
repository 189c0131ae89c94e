/**
 * What `--no-egress` keeps from happening, counted in the process itself below `net`, `dns` and `child_process`: no
 * connection to another machine, no question to a name server, no npm or pip, whatever is configured and asked.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { bundleOf, type Bundle, type Started } from './bundle.ts';

let bundle: Bundle;
const folder = mkdtempSync(join(tmpdir(), 'steelyard-egress-'));
const running: Started[] = [];
beforeAll(async () => {
  bundle = await bundleOf('egress-main.ts');
  for (const name of ['tiny.gguf', 'embedder.gguf']) writeFileSync(join(folder, name), '');
}, 60_000);
afterEach(() => running.splice(0).forEach(({ child }) => child.kill('SIGKILL')));
afterAll(() => {
  bundle.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** Of no machine. @see RFC 5737 */
const AWAY = '192.0.2.1';
const counter = pathToFileURL(join(import.meta.dirname, 'count-sockets.mjs')).href;
let runs = 0;

/** A run of the command, and what it tried. */
function start(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const log = join(folder, `sockets-${++runs}`);
  writeFileSync(log, '');
  const started = bundle.start(args, {
    NODE_OPTIONS: `--import ${counter} --no-deprecation`,
    SOCKET_LOG: log,
    STEELYARD_HOME: join(folder, 'home'),
    HOME: folder,
    OTEL_EXPORTER_OTLP_ENDPOINT: '',
    ...env,
  });
  running.push(started);
  return { ...started, tried: () => readFileSync(log, 'utf8').split('\n').filter(Boolean) };
}

async function serve(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const models = ['tiny.gguf', 'embedder.gguf'].map((name) => join(folder, name));
  const dataDir = join(folder, `data-${runs}`);
  const server = start(['serve', ...models, '--port', '0', '--data-dir', dataDir, ...args], env);
  const url = await vi.waitFor(
    () => {
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(server.written.stdout)?.[0];
      if (found === undefined) throw new Error(`no address: ${server.written.stderr}`);
      return found;
    },
    { timeout: 40_000 },
  );
  const ask = async (path: string, body: object) => {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, text: await response.text() };
  };
  const upload = async () => {
    const form = new FormData();
    form.set('purpose', 'assistants');
    form.set('file', new File(['The Danube flows.'], 'a.txt'));
    const response = await fetch(`${url}/v1/files`, { method: 'POST', body: form });
    return { status: response.status, id: ((await response.json()) as { id?: string }).id };
  };
  return { ...server, url, ask, upload };
}

const routes = () => {
  const file = join(folder, 'routes.json');
  const upstreams = { away: { url: `https://${AWAY}/v1` }, named: { url: 'https://away.example/v1' } };
  const route = (model: string, upstream: string) => ({ model, upstream, policy: 'cloud-only' });
  writeFileSync(file, JSON.stringify({ upstreams, routes: [route('far', 'away'), route('named', 'named')] }));
  return file;
};

const mcpServers = () => {
  const file = join(folder, 'mcp.json');
  const program = { command: 'curl', args: [`https://${AWAY}/`] };
  writeFileSync(file, JSON.stringify({ mcpServers: { away: { url: `https://${AWAY}/mcp` }, program } }));
  return file;
};

const withTools = (server_label: string) => ({
  ...{ model: 'tiny', input: 'x' },
  tools: [{ type: 'mcp', server_label, require_approval: 'never' }],
});

const user = [{ role: 'user', content: 'one two three' }];
const pulls = [
  'hf:someone/model',
  'npm:some-model',
  'pypi:some-model',
  'https://away.example/m.gguf',
  'llama3',
];

describe('--no-egress', () => {
  it('keeps a server that is asked everything from every connection', async () => {
    const server = await serve(['--no-egress', '--routes', routes(), '--mcp', mcpServers()]);
    const chat = (model: string, more = {}) =>
      server.ask('/v1/chat/completions', { model, messages: user, ...more });
    expect(await chat('tiny')).toMatchObject({ status: 200 });
    expect((await chat('tiny', { stream: true })).text).toContain('[DONE]');
    expect(await server.ask('/v1/embeddings', { model: 'embedder', input: 'x' })).toMatchObject({
      status: 200,
    });
    expect(await server.ask('/v1/responses', { model: 'tiny', input: 'x' })).toMatchObject({ status: 200 });
    const { status, id } = await server.upload();
    expect(status).toBe(200);
    expect(await server.ask('/v1/vector_stores', { file_ids: [id] })).toMatchObject({ status: 200 });
    for (const model of ['far', 'named']) expect((await chat(model)).status).toBeGreaterThanOrEqual(400);
    for (const model of pulls) {
      const { status: answered, text } = await server.ask('/api/pull', { model, stream: false });
      expect([answered >= 400 || /error/.test(text), model]).toEqual([true, model]);
    }
    for (const label of ['away', 'program']) {
      const { text } = await server.ask('/v1/responses', withTools(label));
      expect(text).toMatch(/"mcp_list_tools".*"error":"no connection to .*are forbidden here/);
    }
    server.child.kill('SIGTERM');
    expect((await server.finished).code).toBe(0);
    expect(server.tried()).toEqual([]);
  });

  it.each([
    ['a bucket elsewhere', { STEELYARD_S3_BUCKET: 'b', STEELYARD_S3_ENDPOINT: `http://${AWAY}:9000` }],
    ['a database elsewhere', { DATABASE_URL: `postgresql://u@${AWAY}:5432/d` }],
    ['a database elsewhere by name', { DATABASE_URL: 'postgresql://u@db.example/d' }],
  ])('keeps it from %s, which then is not there', async (_, env) => {
    const server = await serve(['--no-egress'], {
      AWS_ACCESS_KEY_ID: 'x',
      AWS_SECRET_ACCESS_KEY: 'y',
      ...env,
    });
    expect((await server.upload()).status).toBeGreaterThanOrEqual(500);
    expect(await server.ask('/v1/chat/completions', { model: 'tiny', messages: user })).toMatchObject({
      status: 200,
    });
    expect(server.tried()).toEqual([]);
  });

  it('does not start with a collector of traces elsewhere', async () => {
    const args = [
      'serve',
      join(folder, 'tiny.gguf'),
      '--no-egress',
      '--telemetry-endpoint',
      `http://${AWAY}:4318`,
    ];
    const server = start(args);
    const { code, stderr } = await server.finished;
    expect(code).toBe(1);
    expect(stderr).toMatch(/no connection to 192\.0\.2\.1:4318: .*--no-egress/);
    expect(server.tried()).toEqual([]);
  });
});

describe('STEELYARD_EGRESS=false', () => {
  it.each([
    [['doctor', '--network'], 0, /hub .*forbidden[\s\S]*npm .*forbidden[\s\S]*pip .*forbidden/],
    [['pull', 'hf:someone/model'], 1, /forbidden/],
    [['pull', 'npm:some-model'], 1, /forbidden/],
    [['pull', 'pypi:some-model'], 1, /forbidden/],
  ])('holds for %j', async (args, exit, told) => {
    const run = start(args, { STEELYARD_EGRESS: 'false' });
    const { code, stdout, stderr } = await run.finished;
    expect([code, stdout + stderr]).toEqual([exit, expect.stringMatching(told)]);
    expect(run.tried()).toEqual([]);
  });
});

describe('the count sees what is tried where nothing is forbidden', () => {
  it('by a server', async () => {
    const server = await serve(['--routes', routes(), '--mcp', mcpServers()], {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://${AWAY}:4318`,
      OTEL_BSP_SCHEDULE_DELAY: '10',
    });
    for (const model of ['far', 'named']) await server.ask('/v1/chat/completions', { model, messages: user });
    for (const model of ['npm:some-model', 'hf:someone/model'])
      await server.ask('/api/pull', { model, stream: false });
    for (const label of ['away', 'program']) await server.ask('/v1/responses', withTools(label));
    await expect.poll(() => server.tried()).toContain(`tcp ${AWAY}:4318`);
    const kept = await serve([], {
      ...{ STEELYARD_S3_BUCKET: 'b', STEELYARD_S3_ENDPOINT: `http://${AWAY}:9000` },
      ...{ AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'y', AWS_MAX_ATTEMPTS: '1' },
    });
    await kept.upload();
    expect([...server.tried(), ...kept.tried()]).toEqual(
      expect.arrayContaining([
        `tcp ${AWAY}:443`,
        `tcp ${AWAY}:9000`,
        'dns away.example',
        expect.stringMatching(/^program .*npm/),
        expect.stringMatching(/^program .*curl/),
        expect.stringMatching(/^dns .*huggingface/),
      ]),
    );
    // By the upstream, and by the MCP server.
    expect(server.tried().filter((one) => one === `tcp ${AWAY}:443`).length).toBeGreaterThan(1);
  });

  it('by doctor', async () => {
    const run = start(['doctor', '--network']);
    await run.finished;
    expect(run.tried()).toEqual(
      expect.arrayContaining([expect.stringMatching(/^dns /), expect.stringMatching(/^program .*npm/)]),
    );
  });
});
