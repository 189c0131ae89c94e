import fc from 'fast-check';
import { posix, win32 } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkRelativePath, toModelName } from './safe-path.ts';

describe('safe-path', () => {
  it('lets nothing through that leaves the folder, on any platform', () => {
    const part = fc.constantFrom('..', '.', '', 'a', 'b.gguf', 'C:', '\\', 'con', 'x ', 'é', '\0');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), fc.constantFrom('/', '\\'), (parts, separator) => {
        const path = parts.join(separator);
        try {
          checkRelativePath(path, 'x');
        } catch {
          return;
        }
        expect(posix.join('/root', path).startsWith('/root/')).toBe(true);
        expect(win32.join('D:\\root', path).startsWith('D:\\root\\')).toBe(true);
      }),
    );
  });

  it.each(['a.gguf', 'a/b-00001-of-00002.safetensors', 'モデル.gguf', '..a'])('allows %s', (path) => {
    expect(checkRelativePath(path, 'x')).toBe(path);
  });

  it.each([
    '',
    '../a',
    'a/../b',
    '/a',
    'a//b',
    'a\\b',
    'C:a',
    'a\0',
    'nul.gguf',
    'a.',
    'x'.repeat(401),
    'a/'.repeat(9),
  ])('refuses %j', (path) => {
    expect(() => checkRelativePath(path, 'x')).toThrow(/x: file name/);
  });

  it('makes names of anything', () => {
    expect(toModelName('a/b:c d')).toBe('a-b-c-d');
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(toModelName(text)).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]{0,130}$/);
        expect(checkRelativePath(`x${toModelName(text)}x`, 'x')).toBeTruthy();
      }),
    );
  });
});
