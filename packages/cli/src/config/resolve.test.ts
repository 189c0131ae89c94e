import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigError } from './issues.ts';
import { resolveConfig, type Sources } from './resolve.ts';

const folder = mkdtempSync(join(tmpdir(), 'steelyard-config-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(text: string, name = 'steelyard.yaml'): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const given = (sources: Partial<Sources>) => resolveConfig({ env: {}, ...sources });

/** What is wrong, without the folder. */
async function issues(sources: Partial<Sources>): Promise<string[]> {
  const error = await given(sources).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConfigError)) throw new Error(`no ConfigError: ${String(error)}`);
  return error.issues.map(({ where, message }) => `${where} ${message}`.replaceAll(`${folder}/`, ''));
}

describe('precedence', () => {
  const path = () => file('port: 1\nhost: 10.0.0.1\nlimits: { bodyBytes: 1MiB, drain: 5 }\n');

  it('is flag, variable, file, default, setting by setting', async () => {
    const env = { STEELYARD_PORT: '2', STEELYARD_HOST: '10.0.0.2', STEELYARD_LIMITS_DRAIN: '7s' };
    const { config, origins } = await given({ file: path(), env, flags: { port: '3' } });
    expect(config).toMatchObject({
      port: 3,
      host: '10.0.0.2',
      limits: { bodyBytes: 1024 ** 2, drain: 7000, jsonDepth: 64 },
    });
    const where = (name: string) => [origins.get(name)?.layer, origins.get(name)?.where];
    expect(where('port')).toEqual(['flag', '--port']);
    expect(where('host')).toEqual(['env', 'STEELYARD_HOST']);
    expect(where('limits.bodyBytes')).toEqual(['file', `${folder}/steelyard.yaml:3:22`]);
    expect(where('keepAlive')).toEqual(['default', undefined]);
  });

  it('replaces lists as a whole, and reads every kind of text', async () => {
    const env = {
      STEELYARD_MODELS: 'a, b',
      STEELYARD_PULL: 'off',
      STEELYARD_PRICES: '{"*":{"input":1,"output":2}}',
      STEELYARD_MEMORY: '2GB',
      STEELYARD_KEEP_ALIVE: 'never',
      STEELYARD_HOST: '',
    };
    const { config } = await given({ file: file('models: [c]\nhost: ::1\n'), env });
    expect(config).toMatchObject({
      models: ['a', 'b'],
      pull: false,
      prices: { '*': { input: 1, output: 2 } },
      memory: 2e9,
      keepAlive: Infinity,
      host: '::1',
    });
    expect((await given({ env, flags: { models: ['d'], pull: true } })).config).toMatchObject({
      models: ['d'],
      pull: true,
    });
  });

  it('reads the file that STEELYARD_CONFIG names, as JSON too, unless a flag names another', async () => {
    const json = file('{"port": 5, "models": ["x"]}', 'one.json');
    const env = { STEELYARD_CONFIG: json };
    expect((await given({ env })).config).toMatchObject({ port: 5, models: ['x'] });
    expect((await given({ env, file: file('port: 6') })).config.port).toBe(6);
  });

  it('takes secrets from files that variables name, and the common name of a database', async () => {
    const secret = file('sesame\n', 'key');
    const env = { STEELYARD_API_KEY_FILE: secret, DATABASE_URL: 'postgresql://a@b/c' };
    const { config, origins } = await given({ env });
    expect(config).toMatchObject({ apiKey: 'sesame', databaseUrl: 'postgresql://a@b/c' });
    expect(origins.get('databaseUrl')?.where).toBe('DATABASE_URL');
    expect(await issues({ env: { STEELYARD_API_KEY_FILE: `${folder}/none` } })).toEqual([
      'STEELYARD_API_KEY_FILE names none, which cannot be read (ENOENT)',
    ]);
  });

  it('takes paths in a file from its own folder, and names of models as they are', async () => {
    const { config } = await given({
      file: file('dataDir: data\nroutes: ../r.json\nmodels: [tiny, ./m.gguf]\n'),
    });
    expect(config.dataDir).toBe(join(folder, 'data'));
    expect(config.routes).toBe(join(folder, '..', 'r.json'));
    expect(config.models).toEqual(['tiny', join(folder, 'm.gguf')]);
  });
});

describe('what is wrong', () => {
  it('is told all at once, with file, line, column, path and what was expected', async () => {
    const path = file(
      [
        'prot: 1',
        'port: 99999',
        'models: tiny',
        'keepAlive: soon',
        'limits:',
        '  body_bytes: 1',
        '  jsonDepth: deep',
        'prices: { big: { input: cheap, output: 1 } }',
        'bodyBytes: 3',
      ].join('\n'),
    );
    expect((await issues({ file: path })).sort()).toEqual(
      [
        'steelyard.yaml:1:1: prot is not a setting; did you mean port?',
        'steelyard.yaml:2:7: port is 99999; expected a whole number from 0 to 65535',
        "steelyard.yaml:3:9: models is 'tiny'; expected a list of texts",
        "steelyard.yaml:4:12: keepAlive is 'soon'; expected a time such as 90s, 5m, 2h or never",
        'steelyard.yaml:6:3: limits.body_bytes is not a setting; did you mean bodyBytes?',
        "steelyard.yaml:7:14: limits.jsonDepth is 'deep'; expected a whole number from 1 to 10000",
        "steelyard.yaml:8:25: prices.big.input is 'cheap'; expected a number",
        'steelyard.yaml:9:1: bodyBytes is not a setting; did you mean limits.bodyBytes?',
      ].sort(),
    );
    expect(await issues({ file: file('moderation: { policyFile: p.txt }') })).toEqual([
      'steelyard.yaml:1:27: moderation.policyFile needs a model that judges under it: set moderation.model (--moderation-model) too',
    ]);
  });

  it('is told by the name of the flag or the variable that it came by', async () => {
    expect(await issues({ flags: { port: 'x' }, env: { STEELYARD_CHAT_PAGE: 'maybe' } })).toEqual([
      "--port is 'x'; expected a whole number from 0 to 65535",
      "STEELYARD_CHAT_PAGE is 'maybe'; expected true or false",
    ]);
    const [link] = await issues({ env: { STEELYARD_PORT: 'tcp://10.0.0.1:8642' } });
    expect(link).toContain('enableServiceLinks: false');
  });

  it('does not take for ever where something must end', async () => {
    expect(await issues({ flags: { 'limits.stall': 'never' } })).toEqual([
      "--limits-stall is 'never'; expected a time up to 24h such as 500ms, 90s or 5m",
    ]);
  });

  it('never shows a secret', async () => {
    const all = await issues({ env: { STEELYARD_DATABASE_URL: 'mysql://root:hunter2@db' } });
    expect(all[0]).toContain('expected an address such as postgresql://');
    expect(all.join()).not.toContain('hunter2');
    expect((await issues({ file: file('apiKey: 4711') })).join()).not.toContain('4711');
  });

  it.each([
    ['port: [1\n', 'steelyard.yaml:2:1:'],
    ['port: 1\nport: 2\n', 'steelyard.yaml:2:1: Map keys must be unique'],
    ['- port\n', 'steelyard.yaml:1:1: holds no settings by name'],
    ['limits: 5\n', 'steelyard.yaml:1:9: limits is 5; expected settings by name'],
    ['limits:\n', 'steelyard.yaml:1:8: limits is null; expected settings by name'],
    ['a: &a [x]\nmodels: *b\n', 'steelyard.yaml:1:1: Unresolved alias'],
  ])('is told of files that are not even that: %j', async (text, message) => {
    expect((await issues({ file: file(text) })).join()).toContain(message);
  });

  it('is told of a file that is not there', async () => {
    expect(await issues({ file: join(folder, 'nowhere.yaml') })).toEqual([
      'nowhere.yaml cannot be read (ENOENT)',
    ]);
  });

  it('is told of routes in the file by their place', async () => {
    const [issue] = await issues({
      file: file('routes:\n  upstreams: {}\n  routes: [{ model: x, upstream: y, policy: never }]\n'),
    });
    expect(issue).toMatch(
      /^steelyard\.yaml:3:\d+: routes\.routes\.0\.policy is 'never'; expected one of local-only/,
    );
  });

  it('warns of variables that look like settings', async () => {
    const { warnings } = await given({
      env: { STEELYARD_PROT: '1', STEELYARD_HOME: '/x', STEELYARD_ZEBRA: '' },
    });
    expect(warnings).toEqual(['STEELYARD_PROT is not a setting; did you mean STEELYARD_PORT?']);
  });
});
