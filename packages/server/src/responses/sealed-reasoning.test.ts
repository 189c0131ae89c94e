import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { fileSealer, passingSealer } from './sealed-reasoning.ts';

const folder = mkdtempSync(join(tmpdir(), 'steelyard-seals-'));
const path = join(folder, 'sub', 'reasoning-key');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('thoughts that callers keep', () => {
  const text = 'Grüße, '.repeat(100);

  it('are opened by a later server with the same key, and hide what they say', () => {
    const sealed = fileSealer(path)('p').seal(text);
    expect(fileSealer(path)('p').open(sealed)).toBe(text);
    expect(fileSealer(path)('p').seal(text)).toBe(sealed);
    expect(Buffer.from(sealed.split('.')[1]!, 'base64url').includes('Grüße')).toBe(false);
    expect(fileSealer(path)('p').seal('other').slice(0, 26)).not.toBe(sealed.slice(0, 26));
    if (process.platform !== 'win32') expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('are not opened with another key, for another project, or changed', () => {
    const { seal, open } = fileSealer(path)('p');
    const sealed = seal('hm');
    expect(passingSealer()('p').open(sealed)).toBeUndefined();
    expect(fileSealer(path)('q').open(sealed)).toBeUndefined();
    for (let i = 0; i < sealed.length; i++) {
      const changed = sealed.slice(0, i) + (sealed[i] === 'A' ? 'B' : 'A') + sealed.slice(i + 1);
      expect(open(changed), changed).toBeUndefined();
    }
    for (const odd of ['', 'steelyard.', sealed.slice(0, -1), `${sealed}=`, `${sealed} `, `${sealed}AAAA`])
      expect(open(odd), odd).toBeUndefined();
    expect(open(seal(''))).toBe('');
  });

  it('need a key that is one', () => {
    const other = join(folder, 'other');
    writeFileSync(other, 'too short');
    expect(() => fileSealer(other)('p').seal('x')).toThrow(/other: holds no key of 32 bytes/);
    expect(readFileSync(other, 'utf8')).toBe('too short');
  });
});
