import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { forbidEgress } from '@steelyard/core/node';
import type { TracingOptions } from '@steelyard/server';
import { afterAll, describe, expect, it } from 'vitest';
import { settings, type Setting } from '../config/settings.ts';
import { createTerminal, until } from '../../test/test-context.ts';

const folder = mkdtempSync(join(tmpdir(), 'steelyard-config-command-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(text: string, name = 'steelyard.yaml'): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('config check', () => {
  it('exits 0 for what is in order, and 2 with every error for what is not', async () => {
    const good = createTerminal();
    expect(await good.run('config', 'check', file('port: 1\n'))).toBe(0);
    expect(good.stdout()).toContain('is in order');
    const bad = createTerminal();
    expect(await bad.run('config', 'check', file('port: x\nhots: y\n'))).toBe(2);
    expect(bad.stderr()).toMatch(
      /steelyard\.yaml:1:7: port is 'x'.*\n.*:2:1: hots is not.*host\?\n2 errors in/,
    );
    expect(bad.stdout()).toBe('');
  });

  it('takes the file as an option too, as the other commands do', async () => {
    const terminal = createTerminal();
    expect(await terminal.run('config', 'check', '--config', file('port: x\n'))).toBe(2);
    expect(terminal.stderr()).toMatch(/steelyard\.yaml:1:7: port is 'x'/);
    const other = createTerminal({ env: { STEELYARD_CONFIG: file('port: x\n', 'other.yaml') } });
    expect(await other.run('config', 'check', '--config', file('port: 1\n'))).toBe(0);
    expect(other.stdout()).toContain('steelyard.yaml is in order');
  });

  it('is readable by machines', async () => {
    const terminal = createTerminal({ env: { STEELYARD_CONFIG: file('\nport: x\n'), STEELYARD_PROT: '1' } });
    expect(await terminal.run('config', 'check', '--json')).toBe(2);
    expect(JSON.parse(terminal.stdout())).toMatchObject({
      ok: false,
      issues: [{ line: 2, column: 7, path: 'port' }],
    });
  });

  it('looks into the routes that it names', async () => {
    file('{"upstreams": {}, "routes": 1}', 'routes.json');
    const terminal = createTerminal();
    expect(await terminal.run('config', 'check', file('routes: routes.json\n'))).toBe(2);
    expect(terminal.stderr()).toMatch(/steelyard\.yaml:1:9: routes .*routes\.json: routes: /);
  });

  it('looks for the policy that it names', async () => {
    const terminal = createTerminal();
    const path = file('moderation: { model: m, policyFile: none.txt }\n');
    expect(await terminal.run('config', 'check', path)).toBe(2);
    expect(terminal.stderr()).toMatch(/steelyard\.yaml:1:37: .*none\.txt cannot be read \(ENOENT\)/);
  });

  it('looks into the MCP servers that it names', async () => {
    file('{"mcpServers": {"a": {"url": "http://example.com/mcp"}}}', 'mcp.json');
    const terminal = createTerminal();
    expect(await terminal.run('config', 'check', file('mcp: [./mcp.json]\n'))).toBe(2);
    expect(terminal.stderr()).toMatch(
      /steelyard\.yaml:1:6: mcp .*mcp\.json: mcpServers\.a: url: expected https/,
    );
    const twice = createTerminal({
      env: { STEELYARD_MCP: 'a=http://127.0.0.1:1/mcp,a=http://127.0.0.1:2/mcp' },
    });
    expect(await twice.run('config', 'check')).toBe(2);
    expect(twice.stderr()).toContain("two MCP servers are labelled 'a'");
  });
});

describe('config show', () => {
  it('says what is in force and where it comes from, without secrets', async () => {
    const terminal = createTerminal({ env: { STEELYARD_API_KEY: 'sesame', STEELYARD_KEEP_ALIVE: 'never' } });
    const path = file('memory: 8GB\n');
    expect(await terminal.run('config', 'show', path, '--port', '9', '--no-pull', '--json')).toBe(0);
    const { settings } = JSON.parse(terminal.stdout()) as { settings: { name: string }[] };
    const of = (name: string) => settings.find((setting) => setting.name === name);
    expect(of('port')).toEqual({ name: 'port', value: 9, source: 'flag', where: '--port' });
    expect(of('pull')).toMatchObject({ value: false, source: 'flag' });
    expect(of('memory')).toMatchObject({ value: 8e9, source: 'file', where: `${path}:1:9` });
    expect(of('keepAlive')).toMatchObject({ value: 'never', source: 'env' });
    expect(of('apiKey')).toMatchObject({ value: '********', where: 'STEELYARD_API_KEY' });
    expect(of('host')).toEqual({ name: 'host', value: '127.0.0.1', source: 'default' });
    expect(terminal.stdout()).not.toContain('sesame');
    const table = createTerminal({ env: { STEELYARD_API_KEY: 'sesame' } });
    expect(await table.run('config', 'show')).toBe(0);
    expect(table.stdout()).toMatch(/^limits\.bodyBytes +16MiB +default$/m);
    expect(table.stdout()).toMatch(/^apiKey +\*{8} +STEELYARD_API_KEY$/m);
  });
});

it('config schema is a JSON Schema that knows every group', async () => {
  const terminal = createTerminal();
  expect(await terminal.run('config', 'schema')).toBe(0);
  const schema = JSON.parse(terminal.stdout()) as { properties: Record<string, unknown> };
  expect(schema).toMatchObject({
    additionalProperties: false,
    properties: { limits: {}, port: { default: 8642 } },
  });
});

/** A value that each setting takes, as a flag or a variable has it. */
function sampleOf({ name, form, unit, expected, secret }: Setting): string {
  const own: Readonly<Record<string, string>> = {
    databaseUrl: 'postgres://u@h/d',
    'telemetry.headers': 'a=b',
    mcp: 'a=http://127.0.0.1:1/mcp',
  };
  if (own[name] !== undefined) return own[name];
  if (unit) return unit === 'bytes' ? '3MiB' : '7s';
  if (form === 'boolean') return 'true';
  if (form === 'number') return '1';
  if (expected.startsWith('one of ')) return expected.slice('one of '.length).split(',')[0]!;
  if (expected.includes('http')) return 'http://127.0.0.1:1';
  return name === 'prices' ? '{"a":{"input":1,"output":2}}' : secret ? 'secret' : 'x';
}

describe('every setting', () => {
  // What others need.
  const given = { STEELYARD_S3_BUCKET: 'b', STEELYARD_MODERATION_MODEL: 'm' };
  const shown = async (argv: readonly string[], env: Readonly<Record<string, string>>, name: string) => {
    const terminal = createTerminal({ env: { ...given, ...env } });
    expect(await terminal.run('config', 'show', '--json', ...argv), terminal.stderr()).toBe(0);
    const { settings: all } = JSON.parse(terminal.stdout()) as { settings: { name: string }[] };
    return all.find((one) => one.name === name);
  };

  it.each(settings.map((setting) => [setting.name, setting] as const))(
    '%s is a flag and a variable',
    async (name, setting) => {
      const sample = sampleOf(setting);
      for (const variable of setting.variables)
        expect(await shown([], { [variable]: sample }, name)).toMatchObject({
          source: 'env',
          where: variable,
        });
      const { option, form } = setting;
      if (option === undefined) return;
      const flags = form === 'boolean' ? [[option], [option.replace('--', '--no-')]] : [[option, sample]];
      for (const [i, argv] of flags.entries()) {
        const told = await shown(argv, {}, name);
        expect(told).toMatchObject({ source: 'flag', where: argv[0] });
        if (form === 'boolean') expect(told).toMatchObject({ value: i === 0 });
      }
    },
  );
});

describe('serve', () => {
  it('does as the file, the variables and the flags say', async () => {
    const policy = file('Nothing rude.', 'policy.txt');
    const path = file(
      [
        'models: [tiny]',
        'host: 10.0.0.9',
        'egress: false',
        'allowEgress: [db:5432]',
        'prices: { tiny: { input: 1, output: 2 } }',
        'moderation: { model: tiny, policyFile: policy.txt }',
        's3: { bucket: b, endpoint: "http://127.0.0.1:9" }',
        'limits: { bodyBytes: 1KiB, deadline: 3s }',
        'logContent: false',
      ].join('\n'),
    );
    expect(policy).toBeTruthy();
    const terminal = createTerminal({ env: { STEELYARD_PORT: '9001', DATABASE_URL: 'postgres://u@h/d' } });
    const code = terminal.run('serve', '--config', path, '--host', '127.0.0.1', '--request-log');
    await until(() => terminal.stdout().includes('curl'));
    expect(terminal.services.forbidden).toEqual([['db:5432']]);
    expect(terminal.services.served[0]).toMatchObject({
      host: '127.0.0.1',
      port: 9001,
      prices: { tiny: { input: 1, output: 2 } },
      moderation: { model: 'tiny', policy: 'Nothing rude.' },
      s3: { bucket: 'b', endpoint: 'http://127.0.0.1:9' },
      databaseUrl: 'postgres://u@h/d',
      limits: { bodyBytes: 1024, deadlineMs: 3000, stallMs: 120_000 },
      logContent: false,
      requestLog: expect.any(Function) as unknown,
    });
    terminal.interrupt('SIGTERM');
    expect(await code).toBe(0);
  });

  it('takes what OpenTelemetry’s own variables say of traces', async () => {
    const asked: TracingOptions[] = [];
    const run = async (env: Record<string, string>) => {
      const terminal = createTerminal({
        env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318/', ...env },
      });
      terminal.services.openTracing = (options) => {
        asked.push(options);
        return Promise.reject(new Error('enough'));
      };
      const code = terminal.run('serve');
      await Promise.race([code, until(() => terminal.stdout().includes('curl'))]);
      terminal.interrupt('SIGTERM');
      await code;
      return terminal.stderr();
    };
    const more = {
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20x, tenant=a=b',
      OTEL_SERVICE_NAME: 'ours',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    };
    expect(await run(more)).toContain('traces are sent as http/json, not as grpc');
    expect(asked).toMatchObject([
      {
        url: 'http://127.0.0.1:4318/v1/traces',
        headers: { authorization: 'Bearer x', tenant: 'a=b' },
        serviceName: 'ours',
        sample: 0.25,
      },
    ]);
    await run({ OTEL_SDK_DISABLED: 'true' });
    await run({ OTEL_TRACES_EXPORTER: 'none' });
    expect(asked).toHaveLength(1);
    await run({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:1/x' });
    expect(asked[1]).toMatchObject({ url: 'http://127.0.0.1:1/x', sample: 1, headers: {} });
  });

  it('refuses a collector of traces that it may not connect to', async () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector.example:4318' };
    const terminal = createTerminal({ env });
    let undo = (): void => undefined;
    terminal.services.forbidEgress = (allowed) => {
      undo = forbidEgress({ allowed });
      return Promise.resolve();
    };
    expect(await terminal.run('serve', '--no-egress').finally(() => undo())).toBe(1);
    expect(terminal.stderr()).toMatch(/no connection to collector\.example:4318: .*--allow-egress HOST:PORT/);
    expect(terminal.services.served).toEqual([]);
  });

  it('ends with what is wrong, and how to see the rest', async () => {
    const terminal = createTerminal();
    expect(await terminal.run('serve', '--config', file('port: x\nkeys: 5\n'))).toBe(2);
    expect(terminal.stderr()).toMatch(/:1:7: port is 'x'; expected .*\(and 1 more: steelyard config check\)/);
    expect(terminal.services.served).toEqual([]);
  });
});
