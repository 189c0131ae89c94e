import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { zip, type ZipItem } from '../../test/tiny-zip.ts';
import { openZip } from './zip.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steelyard-zip-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function readAll(items: readonly ZipItem[]): Promise<Record<string, string>> {
  const path = join(folder, 'x.zip');
  await writeFile(path, zip(items));
  const archive = await openZip(path, 'x.zip');
  const found: Record<string, string> = {};
  try {
    for (const entry of archive.entries) {
      const chunks: Buffer[] = [];
      for await (const chunk of (await entry.open()) as AsyncIterable<Buffer>) chunks.push(chunk);
      found[entry.path] = Buffer.concat(chunks).toString();
    }
  } finally {
    archive.close();
  }
  return found;
}

describe('openZip', () => {
  it('reads stored and deflated entries, and skips folders', async () => {
    const items = [
      { name: 'a/', body: '' },
      { name: 'a/one.json', body: '{}' },
      { name: 'two', body: 'x'.repeat(5000), deflate: true },
    ];
    expect(await readAll(items)).toEqual({ 'a/one.json': '{}', two: 'x'.repeat(5000) });
  });

  it.each([
    ['leaves its folder', { name: '../../evil.gguf', body: 'x' }, /invalid relative path/],
    ['is absolute', { name: '/evil.gguf', body: 'x' }, /absolute path/],
    ['has a backslash', { name: 'a\\..\\evil.gguf', body: 'x' }, /invalid characters/],
    ['names a drive', { name: 'C:evil.gguf', body: 'x' }, /absolute path/],
    ['names a device', { name: 'm/aux.gguf', body: 'x' }, /names the device/],
    ['is a link', { name: 'm/x.gguf', body: '/etc/passwd', mode: 0o120777 }, /symbolic link/],
    ['is a bomb', { name: 'm/x.gguf', body: Buffer.alloc(3 << 20), deflate: true }, /more than 200 times/],
    [
      'holds more than it claims',
      { name: 'x', body: 'ab'.repeat(900), deflate: true, claim: 500 },
      /too many bytes/,
    ],
    [
      'holds less than it claims',
      { name: 'x', body: 'ab'.repeat(9), deflate: true, claim: 500 },
      /not enough bytes/,
    ],
  ] satisfies [string, ZipItem, RegExp][])('refuses an entry that %s', async (_, item, message) => {
    await expect(readAll([item])).rejects.toThrow(message);
  });

  it('refuses what is no zip file', async () => {
    const path = join(folder, 'y.zip');
    await writeFile(path, 'hello');
    await expect(openZip(path, 'y.zip')).rejects.toMatchObject({ code: 'format' });
  });
});
