import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createStubModel } from '@steelyard/engine/testing';
import { CapacityError } from '@steelyard/core';
import { createServer, fileSigner, providerOf } from '@steelyard/server';
import { describe, expect, it } from 'vitest';
import { createFakeServices, installedModel } from '../test/fake-services.ts';
import { createServices } from './real-services.ts';
import { createTerminal, until } from '../test/test-context.ts';
import { packageVersion } from './version.ts';

const NAMES = [
  'chat',
  'run',
  'serve',
  'mcp',
  'config',
  'keys',
  'projects',
  'audit',
  'embed',
  'pull',
  'list',
  'show',
  'rm',
  'explain',
  'bench',
  'replay',
  'receipts',
  'doctor',
];

describe('help and usage', () => {
  it.each(NAMES)('%s --help has examples and exits 0', async (name) => {
    const terminal = createTerminal();
    expect(await terminal.run(name, '--help')).toBe(0);
    expect(terminal.stdout()).toMatch(new RegExp(`Examples:\n  steelyard ${name}`));
    expect(terminal.stderr()).toBe('');
  });

  it('lists every command without arguments', async () => {
    const terminal = createTerminal();
    expect(await terminal.run()).toBe(0);
    for (const name of NAMES) expect(terminal.stdout()).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
  });

  it.each([
    [['chta'], /unknown command 'chta'.*chat/s],
    [['constructor'], /unknown command 'constructor'/],
    [['list', '--wat'], /unknown option '--wat'/],
    [['rm'], /missing required argument/],
    [['run', 'hi there', '--temperature', 'hot'], /temperature is 'hot'; expected a number/],
    [['run', 'tiny', '--max-tokens', '0'], /--max-tokens is '0'; expected a whole number from 1/],
    [['serve', '--port', '70000'], /--port is '70000'/],
    [['chat', '--memory', 'much'], /--memory is 'much'; expected a size/],
    [['chat', '--backend', 'gpu'], /cpu, wasm, reference/],
  ])('%j exits 2', async (argv, message) => {
    const terminal = createTerminal({ stdin: '' });
    expect(await terminal.run(...argv)).toBe(2);
    expect(terminal.stderr()).toMatch(message);
    expect(terminal.stderr().trimEnd().split('\n').length).toBeLessThanOrEqual(2);
    expect(terminal.stdout()).toBe('');
  });
});

describe('errors', () => {
  const failing = (error: unknown) => createFakeServices({ createModel: () => raise(error) });
  const raise = (error: unknown): never => {
    throw error;
  };

  it('are one line that ends with a command, and exit 1', async () => {
    const terminal = createTerminal({
      stdin: 'x',
      services: failing(new CapacityError('needs 9 GB,\nthere are 2')),
    });
    expect(await terminal.run('run', 'tiny')).toBe(1);
    expect(terminal.stderr()).toBe('steelyard: needs 9 GB, there are 2; next: steelyard doctor\n');
  });

  it('show stacks and causes only with STEELYARD_DEBUG', async () => {
    const error = new Error('outer', { cause: new Error('inner') });
    const plain = createTerminal({ stdin: 'x', services: failing(error) });
    expect(await plain.run('run')).toBe(1);
    expect(plain.stderr()).toBe(
      'steelyard: unexpected error: outer; for details run it again with STEELYARD_DEBUG=1\n',
    );
    const debug = createTerminal({ stdin: 'x', services: failing(error), env: { STEELYARD_DEBUG: '1' } });
    await debug.run('run');
    expect(debug.stderr()).toMatch(/at .*\ncaused by: Error: inner/s);
  });

  it('never let a model name move the cursor', async () => {
    const terminal = createTerminal();
    expect(await terminal.run('show', 'x\u001b[2Jy')).toBe(1);
    expect(terminal.stderr()).not.toContain('\u001b');
  });
});

describe('run', () => {
  it('writes only the answer to stdout, prompt and stdin joined', async () => {
    const terminal = createTerminal({ stdin: 'the text\n' });
    expect(await terminal.run('run', 'tiny', 'Summarise:', 'now')).toBe(0);
    expect(terminal.stdout()).toBe('Summarise: now\n\nthe text\n');
    expect(terminal.services.opened).toEqual(['/models/tiny.gguf']);
    expect(terminal.services.disposed).toEqual(['tiny']);
  });

  it('takes a sentence alone as the prompt for the default model, pulled when absent', async () => {
    const terminal = createTerminal({ stdin: '', models: [] });
    expect(await terminal.run('run', 'Name three rivers.')).toBe(0);
    expect(terminal.stdout()).toBe('Name three rivers.\n');
    expect(terminal.services.store.pulled).toEqual(['hf:someone/tiny']);
    expect(terminal.stderr()).toContain('pulling the default model, tiny');
  });

  it('gives text, usage and timing as JSON', async () => {
    const terminal = createTerminal({ stdin: '' });
    expect(await terminal.run('run', '--json', '-m', 'tiny', 'a b c d e f g', '--max-tokens', '3')).toBe(0);
    expect(JSON.parse(terminal.stdout())).toMatchObject({
      model: 'tiny',
      finishReason: 'length',
      usage: { completionTokens: 3 },
    });
  });

  it('hands settings to the model', async () => {
    const options: unknown[] = [];
    const services = createFakeServices({
      createModel: (name) => {
        const model = createStubModel({ name });
        return {
          ...model,
          chat: (messages, wanted) => (options.push(messages, wanted), model.chat(messages, wanted)),
        };
      },
    });
    const terminal = createTerminal({ stdin: '', services });
    await terminal.run(
      'run',
      'a b',
      '--system',
      's',
      '--top-k',
      '4',
      '--min-p',
      '0.1',
      '--seed',
      '7',
      '--stop',
      'x',
      '--stop',
      'y',
    );
    expect(options).toMatchObject([
      [
        { role: 'system', content: 's' },
        { role: 'user', content: 'a b' },
      ],
      { sampling: { topK: 4, minP: 0.1, seed: 7 }, stop: ['x', 'y'] },
    ]);
  });

  it('continues a raw text without the template', async () => {
    const services = createFakeServices({
      createModel: (name) => createStubModel({ name, reply: () => 'from chat' }),
    });
    const terminal = createTerminal({ stdin: '', services });
    expect(await terminal.run('run', 'tiny', '--raw', 'Once upon')).toBe(0);
    expect(terminal.stdout()).toBe('Once upon\n');
  });

  it('refuses an empty prompt before it loads anything', async () => {
    const terminal = createTerminal({ stdin: ' \n' });
    expect(await terminal.run('run', 'tiny')).toBe(2);
    expect(terminal.services.opened).toEqual([]);
  });

  it('stops on Ctrl-C with 130 and what there is', async () => {
    const services = createFakeServices({ createModel: (name) => createStubModel({ name, delayMs: 2 }) });
    const terminal = createTerminal({ stdin: 'word '.repeat(500), services });
    const code = terminal.run('run', 'tiny');
    await until(() => terminal.stdout().includes('word'));
    terminal.interrupt();
    expect(await code).toBe(130);
    expect(services.disposed).toEqual(['tiny']);
  });
});

describe('chat from a pipe', () => {
  it('takes all of stdin as one message', async () => {
    const terminal = createTerminal({ stdin: 'one\ntwo\n' });
    expect(await terminal.run('chat')).toBe(0);
    expect(terminal.stdout()).toBe('one\ntwo\n');
    expect(terminal.stderr()).toContain('first token after');
  });
});

describe('finding models', () => {
  it('suggests names that are near', async () => {
    const terminal = createTerminal({ stdin: 'x', models: [installedModel('smollm2-135m')] });
    expect(await terminal.run('run', 'smollm2')).toBe(1);
    expect(terminal.stderr()).toBe(
      "steelyard: no model 'smollm2'; did you mean smollm2-135m? See: steelyard list\n",
    );
  });

  it('says how to pull what looks like a repository', async () => {
    const terminal = createTerminal({ stdin: 'x', models: [] });
    expect(await terminal.run('run', 'owner/repo')).toBe(1);
    expect(terminal.stderr()).toMatch(/steelyard pull hf:owner\/repo$/m);
  });

  it('opens a file by path, and pulls a source', async () => {
    const terminal = createTerminal({ stdin: 'x' });
    const file = new URL(import.meta.url).pathname;
    await terminal.run('run', file);
    expect(terminal.services.opened).toEqual([file]);
    await createTerminal({ stdin: 'x', services: terminal.services }).run('run', 'hf:owner/other');
    expect(terminal.services.opened[1]).toBe('/models/other.gguf');
  });
});

describe('list, rm, pull', () => {
  it('lists for people and machines', async () => {
    const terminal = createTerminal();
    expect(await terminal.run('list')).toBe(0);
    expect(terminal.stdout()).toBe(
      'name     size  pulled      source\ntiny  1.00 MB  2026-01-02  hf:someone/tiny\n',
    );
    const json = createTerminal();
    await json.run('list', '--json');
    expect(JSON.parse(json.stdout())).toMatchObject([{ name: 'tiny', bytes: 1_000_000 }]);
  });

  it('removes only by whole names', async () => {
    const services = createFakeServices({ models: [installedModel('smollm2')] });
    services.store.find = () => Promise.resolve(installedModel('smollm2'));
    const terminal = createTerminal({ stdin: '', services });
    expect(await terminal.run('rm', 'smol')).toBe(1);
    expect(await terminal.run('rm', 'SmolLM2')).toBe(0);
  });

  it('removes nothing when one name is wrong', async () => {
    const terminal = createTerminal({ stdin: '', models: [installedModel('a'), installedModel('b')] });
    expect(await terminal.run('rm', 'a', 'c')).toBe(1);
    expect(await terminal.services.store.list()).toHaveLength(2);
    expect(await terminal.run('rm', 'a', 'b')).toBe(0);
    expect(terminal.stdout()).toBe('removed a, b; 2.00 MB freed\n');
  });

  it('asks on a terminal, and takes anything but yes as no', async () => {
    for (const [typed, code, left] of [
      ['\n', 1, 1],
      ['y\n', 0, 0],
    ] as const) {
      const terminal = createTerminal();
      const done = terminal.run('rm', 'tiny');
      await until(() => terminal.stderr().includes('[y/N]'));
      terminal.stdin.write(typed);
      expect(await done).toBe(code);
      expect(await terminal.services.store.list()).toHaveLength(left);
    }
  });

  it('pulls with progress, or lines of JSON', async () => {
    const terminal = createTerminal();
    expect(await terminal.run('pull', 'hf:owner/new', '--name', 'mine')).toBe(0);
    expect(terminal.stdout()).toBe('steelyard chat mine\n');
    expect(terminal.stderr()).toContain('model.gguf: 500 kB of 1.00 MB (50%)');
    const json = createTerminal();
    await json.run('pull', '--json');
    const lines = json
      .stdout()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string });
    expect(lines.map((line) => line.type)).toEqual(['progress', 'progress', 'model']);
  });
});

describe('thoughts', () => {
  const services = () =>
    createFakeServices({
      createModel: (name) =>
        createStubModel({ name, marks: '</think>', reply: () => '<think>Hm.</think>Yes.' }),
    });

  it('stay out of what run writes, but for --json', async () => {
    const plain = createTerminal({ services: services() });
    expect(await plain.run('run', 'tiny', 'hello')).toBe(0);
    expect(plain.stdout()).toBe('Yes.\n');
    const json = createTerminal({ services: services() });
    await json.run('run', 'tiny', 'hello', '--json');
    expect(JSON.parse(json.stdout())).toMatchObject({ text: 'Yes.', reasoning: 'Hm.' });
  });
});

describe('serve', () => {
  it('says where, what and how to try, and drains on a signal', async () => {
    const terminal = createTerminal({ models: [installedModel("it's")] });
    const code = terminal.run('serve', "it's", '--port', '9000');
    await until(() => terminal.stdout().includes('curl'));
    expect(terminal.stdout()).toContain('Chat page  http://127.0.0.1:9000/');
    expect(terminal.stdout()).toContain(`"model":"it'\\''s"`);
    terminal.interrupt('SIGTERM');
    expect(await code).toBe(0);
    expect(terminal.services.disposed).toEqual(["it's"]);
  });

  it('serves a model for vectors beside one that writes', async () => {
    const models = [installedModel('tiny'), installedModel('embedder')];
    const terminal = createTerminal({ models });
    const code = terminal.run('serve', 'embedder', 'tiny');
    await until(() => terminal.stdout().includes('curl'));
    const [options] = terminal.services.served;
    const names = async (provider?: { list(): unknown }) =>
      ((await provider?.list()) as { name: string }[]).map(({ name }) => name);
    expect(await names(options!.models)).toEqual(['tiny']);
    expect(await names(options!.embeddingModels)).toEqual(['embedder']);
    expect(terminal.stdout()).toMatch(/embedder .*vectors of 8/);
    expect(terminal.stdout()).toContain('/v1/embeddings -H');
    terminal.interrupt('SIGTERM');
    expect(await code).toBe(0);
    expect(terminal.services.disposed).toEqual(['embedder', 'tiny']);
  });

  it('offers what is stored beside the default model, loaded when a request names it', async () => {
    const models = ['tiny', 'other', 'embedder'].map((name) => installedModel(name));
    const terminal = createTerminal({ models });
    const code = terminal.run('serve', '--memory', '2000', '--keep-alive', '30s');
    await until(() => terminal.stdout().includes('curl'));
    expect(terminal.stdout()).toContain('on demand, within 2.00 kB: other, embedder');
    expect(terminal.services.opened).toEqual(['/models/tiny.gguf']);
    const [options] = terminal.services.served;
    options!.onNotice!('the database could be faster');
    expect(terminal.stderr()).toContain('warning: the database could be faster\n');
    const { release } = await options!.models.acquire!('other');
    release();
    await options!.embeddingModels!.acquire!('embedder');
    expect(terminal.services.opened.slice(1)).toEqual(['/models/other.gguf', '/models/embedder.gguf']);
    expect(terminal.services.disposed).toEqual(['tiny']);
    terminal.interrupt('SIGTERM');
    expect(await code).toBe(0);
  });

  it('lets models call the MCP servers that it is told of, and no others', async () => {
    const terminal = createTerminal();
    const code = terminal.run('serve', '--mcp', 'numbers=http://127.0.0.1:9/mcp');
    await until(() => terminal.stdout().includes('curl'));
    const [options] = terminal.services.served;
    const dataDirectory = '/nowhere';
    const server = await createServices().createServer({ ...options!, dataDirectory });
    const response = await server.app.request('/v1/chat/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        ...{ model: 'tiny', messages: [{ role: 'user', content: 'x' }] },
        tools: [{ type: 'mcp', server_label: 'evil', server_url: 'http://127.0.0.1:9/mcp' }],
      }),
    });
    expect(await response.json()).toMatchObject({
      error: {
        message: expect.stringContaining("'evil' is configured here; there are: 'numbers'") as string,
      },
    });
    await server.close();
    terminal.interrupt('SIGTERM');
    expect(await code).toBe(0);
  });

  it('fails at the start with numbers when a model named does not fit', async () => {
    const terminal = createTerminal();
    expect(await terminal.run('serve', 'tiny', '--memory', '999')).toBe(1);
    expect(terminal.stderr()).toMatch(/tiny takes 1000 bytes of 999/);
  });

  it('forbids connections before it looks for a model', async () => {
    const terminal = createTerminal();
    expect(await terminal.run('serve', 'nobody', '--no-egress', '--allow-egress', 'db:5432')).toBe(1);
    expect(terminal.services.forbidden).toEqual([['db:5432']]);
    const open = createTerminal();
    await open.run('serve', 'nobody');
    expect(open.services.forbidden).toEqual([]);
  });

  it('is not ready until every model named is loaded', async () => {
    const seen: string[][] = [];
    const services = createFakeServices({
      models: ['one', 'two'].map((name) => installedModel(name)),
      createModel: (name) => {
        seen.push([...services.notReady]);
        return createStubModel({ name });
      },
    });
    const terminal = createTerminal({ services });
    const code = terminal.run('serve', 'one', 'two');
    await until(() => terminal.stdout().includes('curl'));
    expect(seen).toEqual([['loading one', 'loading two'], ['loading two']]);
    expect(services.notReady.size).toBe(0);
    terminal.interrupt('SIGTERM');
    expect(await code).toBe(0);
  });

  it('refuses two models of one name', async () => {
    expect(await createTerminal().run('serve', 'tiny', 'tiny')).toBe(2);
    expect(await createTerminal().run('serve', '--keep-alive', 'soon')).toBe(2);
  });
});

describe('replay and receipts', () => {
  it('say what is wrong with a file that is no receipt', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'steelyard-cli-'));
    const file = join(folder, 'x.json');
    writeFileSync(file, '{"object":"chat.completion"}');
    const [replay, verify, missing] = [createTerminal(), createTerminal(), createTerminal()];
    expect(await replay.run('replay', file)).toBe(1);
    expect(replay.stderr()).toMatch(/x\.json holds no receipt/);
    expect(await verify.run('receipts', 'verify', file)).toBe(1);
    expect(await missing.run('replay', `${file}.not`)).toBe(1);
    expect(missing.stderr()).toMatch(/cannot be read \(ENOENT\)/);
    rmSync(folder, { recursive: true });
  });

  it('compute an answer again, tell that it is the same, and check its signature', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'steelyard-cli-'));
    const model = createStubModel({ name: 'tiny' });
    const { app } = createServer({
      models: providerOf([model]),
      version: packageVersion(),
      chatPage: false,
      receipts: { sign: fileSigner(join(folder, 'key.pem')) },
    });
    const body = { model: 'tiny', prompt: 'one two', steelyard: { receipt: 'content' } };
    const headers = { 'content-type': 'application/json' };
    const answer = await app.request('/v1/completions', {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    const file = join(folder, 'answer.json');
    writeFileSync(file, await answer.text());
    const terminal = createTerminal({ createModel: () => model });
    expect(await terminal.run('replay', file)).toBe(0);
    expect(terminal.stdout()).toMatch(/^the same, token for token: 3 tokens, sha256:/);
    expect(await terminal.run('receipts', 'verify', file)).toBe(0);
    expect(await terminal.run('receipts', 'verify', file, '--key', 'other')).toBe(1);
    writeFileSync(file, readFileSync(file, 'utf8').replace(/"seed":\d+/, '"seed":1'));
    expect(await terminal.run('receipts', 'verify', file)).toBe(1);
    rmSync(folder, { recursive: true });
  });
});

describe('bench and doctor', () => {
  it('measures every run and reports the spread', async () => {
    const services = createFakeServices({ createModel: (name) => createStubModel({ name, delayMs: 1 }) });
    const terminal = createTerminal({ services });
    expect(await terminal.run('bench', '--prompt', '8', '--generate', '4', '--repeat', '3', '--json')).toBe(
      0,
    );
    const report = JSON.parse(terminal.stdout()) as {
      prompt: { runs: number[]; tokensPerSecond: { median: number } };
    };
    expect(report.prompt.runs).toHaveLength(3);
    expect(report.prompt.tokensPerSecond.median).toBe(8000);
  });

  it('gives advice for every line that is not ok', async () => {
    const terminal = createTerminal({ models: [], env: { CXX: 'no-such-compiler' } });
    await terminal.run('doctor', '--json');
    const { checks } = JSON.parse(terminal.stdout()) as {
      checks: { name: string; status: string; advice?: string }[];
    };
    expect(checks.map((check) => check.name)).toEqual([
      'platform',
      'node',
      'processor',
      'backend',
      'wasm',
      'compiler',
      'memory',
      'store',
      'default model',
    ]);
    for (const { status, advice } of checks) expect(status === 'ok' || advice).toBeTruthy();
    expect(checks.at(-1)).toMatchObject({ status: 'warn', advice: 'steelyard pull' });
  });
});

describe('embed', () => {
  interface Result {
    readonly embeddings: readonly (readonly number[])[];
    readonly usage: unknown;
  }

  it('writes a vector per text, from arguments or lines of stdin', async () => {
    const services = createFakeServices();
    const given = createTerminal({ services });
    expect(await given.run('embed', 'tiny', 'one two', 'three')).toBe(0);
    const written = JSON.parse(given.stdout()) as Result;
    expect(written).toMatchObject({
      model: 'tiny',
      pooling: 'mean',
      dimensions: 8,
      usage: { promptTokens: 3 },
    });
    expect(written.embeddings.map((vector) => Math.hypot(...vector))).toEqual([
      expect.closeTo(1, 6),
      expect.closeTo(1, 6),
    ]);
    const piped = createTerminal({ services, stdin: 'one two\r\n\nthree\n' });
    expect(await piped.run('embed', 'tiny')).toBe(0);
    expect(JSON.parse(piped.stdout())).toEqual(written);
    expect(services.disposed).toEqual(['tiny', 'tiny']);
  });

  it('takes dimensions, pooling and no scaling', async () => {
    const terminal = createTerminal();
    const flags = ['--dimensions', '3', '--pooling', 'last', '--no-normalise'];
    expect(await terminal.run('embed', 'tiny', 'one two', ...flags)).toBe(0);
    const written = JSON.parse(terminal.stdout()) as Result;
    expect(written).toMatchObject({ pooling: 'last', dimensions: 3 });
    expect(written.embeddings[0]).toHaveLength(3);
    expect(Math.hypot(...(written.embeddings[0] ?? []))).not.toBeCloseTo(1, 3);
    const empty = createTerminal({ stdin: '\n' });
    expect(await empty.run('embed', 'tiny')).toBe(2);
    expect(empty.stderr()).toMatch(/there is no text/);
  });
});

describe('show --supported', () => {
  it('lists the registry and how each architecture was proven', async () => {
    const terminal = createTerminal();
    expect(await terminal.run('show', '--supported')).toBe(0);
    expect(terminal.stdout()).toMatch(/llama +llama, mistral +llama +text +2 tiny models: a, b/);
    expect(terminal.stdout()).toMatch(/bert +bert +none +vectors +1 tiny model: c/);
    const json = createTerminal();
    expect(await json.run('show', '--supported', '--json')).toBe(0);
    expect(JSON.parse(json.stdout())).toHaveLength(2);
    expect(await createTerminal().run('show', 'tiny', '--supported')).toBe(2);
  });
});
