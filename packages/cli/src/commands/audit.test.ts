import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { administration } from '@steelyard/server';
import { openRecords } from '@steelyard/storage';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createFakeServices } from '../../test/fake-services.ts';
import { createTerminal } from '../../test/test-context.ts';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'steelyard-audit-'));
  const records = await openRecords({ directory });
  for (const project of ['default', 'default', 'proj_2']) {
    await records.audit.append({
      action: 'key.created',
      project,
      actor: null,
      subject: 'key_1',
      details: {},
    });
  }
  await records.close();
}, 120_000);

afterAll(() => rm(directory, { recursive: true, force: true }));

async function audit(...argv: string[]) {
  const terminal = createTerminal({ services: { ...createFakeServices(), openRecords } });
  const code = await terminal.run('audit', ...argv);
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

it('exports what it verifies, and finds what was changed in the export', async () => {
  const copied = await audit('export', '--data-dir', directory);
  const lines = copied.stdout.trimEnd().split('\n');
  expect(lines).toHaveLength(3);
  const path = join(directory, 'audit.jsonl');
  await writeFile(path, copied.stdout);
  const fine = await audit('verify', '--file', path);
  expect(fine).toMatchObject({ code: 0 });
  const [, head] = /^3 entries, .*\nhead (3:[0-9a-f]{64})\n$/.exec(fine.stdout)!;
  expect((await audit('verify', '--data-dir', directory, '--head', head!)).code).toBe(0);

  await writeFile(path, lines.slice(0, 2).join('\n'));
  expect((await audit('verify', '--file', path)).code).toBe(0);
  const cut = await audit('verify', '--file', path, '--head', head!);
  expect(cut).toMatchObject({ code: 1, stdout: '' });
  expect(cut.stderr).toContain('broken at entry 3: the log ends before it');

  await writeFile(path, copied.stdout.replace('key_1', 'key_2'));
  const changed = await audit('verify', '--file', path, '--json');
  expect(changed.code).toBe(1);
  expect(JSON.parse(changed.stdout)).toMatchObject({ intact: false, broken: { sequence: 1 } });

  const part = await audit('export', '--data-dir', directory, '--project', 'proj_2');
  expect(JSON.parse(part.stdout)).toMatchObject({ sequence: 3, project: 'proj_2' });
  expect(await readFile(path, 'utf8')).toContain('key_2');
}, 120_000);

it('asks a running server, and says how where one holds the directory', async () => {
  const held = await openRecords({ directory });
  try {
    const refused = await audit('verify', '--data-dir', directory, '--json');
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain(`in use by a server, process ${process.pid}`);
    expect(refused.stderr.trimEnd().split(': ').at(-1)).toBe(
      `STEELYARD_ADMIN_KEY=KEY steelyard audit verify --data-dir ${directory} --json --url http://127.0.0.1:8642`,
    );
    // More than the API gives at once.
    for (let i = 0; i < 205; i++)
      await held.audit.append({
        action: 'response.created',
        ...{ project: 'p', actor: 'key_1', subject: null, details: { i } },
      });
    const ask = administration(held);
    const http = createServer((request, response) => {
      void ask(request.url!).then(async (answer) =>
        response.writeHead(answer.status).end(await answer.text()),
      );
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    try {
      const terminal = createTerminal({ env: { STEELYARD_ADMIN_KEY: 'key' } });
      expect(await terminal.run('audit', 'verify', '--url', url)).toBe(0);
      const { sequence, hash } = await held.audit.head();
      expect(terminal.stdout()).toContain(
        `208 entries, each in its place and unchanged\nhead ${sequence}:${hash}`,
      );
      const copied = createTerminal({ env: { STEELYARD_ADMIN_KEY: 'key' } });
      expect(await copied.run('audit', 'export', '--url', url, '--after', '2', '--project', 'proj_2')).toBe(
        0,
      );
      expect(JSON.parse(copied.stdout())).toMatchObject({ sequence: 3, actor: null, project: 'proj_2' });
    } finally {
      http.close();
    }
  } finally {
    await held.close();
  }
}, 120_000);

it('names a head and a line that it cannot read', async () => {
  expect(await audit('verify', '--head', '3:abc')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--head is '3:abc'; expected SEQUENCE:HASH") as string,
  });
  const path = join(directory, 'broken.jsonl');
  await writeFile(path, '{\n');
  expect(await audit('verify', '--file', path)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('line 1, is not JSON') as string,
  });
});
