import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRecords, type Records } from '@steelyard/storage';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createFakeServices } from '../../test/fake-services.ts';
import { createTerminal } from '../../test/test-context.ts';

let directory: string;
let records: Records;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'steelyard-keys-'));
  records = await openRecords({ directory });
}, 120_000);

afterAll(async () => {
  await records.close();
  await rm(directory, { recursive: true, force: true });
});

async function run(...argv: string[]) {
  const kept = { ...records, close: () => Promise.resolve() };
  const services = { ...createFakeServices(), openRecords: () => Promise.resolve(kept) };
  const terminal = createTerminal({ services });
  const code = await terminal.run(...argv);
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

it('makes, lists and revokes keys of projects and admins', async () => {
  const project = (await run('projects', 'create', 'research', '--dollars-per-month', '5')).stdout.trim();
  expect(project).toMatch(/^proj_/);
  const made = await run(
    ...['keys', 'create', 'ci', '--project', project, '--scope', 'chat', '--scope', 'files:read'],
    ...['--requests-per-minute', '9', '--expires', '2999-01-31', '--model', 'm'],
  );
  const secret = made.stdout.trim();
  const { key } = (await records.access.find(secret))!;
  expect(made.stderr).toContain(`This is ${key.id}. It is shown only now`);
  expect(key).toMatchObject({
    scopes: { admin: false, endpoints: ['chat', 'files:read'], models: ['m'] },
    limits: { requestsPerMinute: 9 },
    expiresAt: Date.parse('2999-01-31') / 1_000,
  });
  expect((await run('keys', 'list', '--project', project)).stdout).toMatch(
    /ci .*chat,files:read .*2999-01-31/,
  );
  expect(await run('keys', 'revoke', key.id, '--project', project)).toMatchObject({ code: 0 });
  expect((await run('keys', 'list', '--project', project)).stdout).toMatch(/ci .*revoked/);
  expect((await run('projects', 'archive', project)).code).toBe(0);
  expect((await run('projects', 'list')).stdout).toMatch(/research +archived/);
  expect((await run('keys', 'create', 'root', '--admin')).code).toBe(0);
  const admins = JSON.parse((await run('keys', 'list', '--admin', '--json')).stdout) as { name: string }[];
  expect(admins.map(({ name }) => name)).toEqual(['root']);
}, 120_000);

it('says what is wrong', async () => {
  expect((await run('keys', 'create', 'x', '--scope', 'chats')).stderr).toContain(
    "got 'chats', expected 'all'",
  );
  expect((await run('keys', 'create', 'x', '--expires', 'soon')).stderr).toContain('expected a date');
  expect((await run('keys', 'create', 'x', '--project', 'none')).stderr).toContain("No project 'none'");
  expect((await run('keys', 'list', '--url', 'http://127.0.0.1:1')).stderr).toContain('STEELYARD_ADMIN_KEY');
});
