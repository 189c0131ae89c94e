import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
