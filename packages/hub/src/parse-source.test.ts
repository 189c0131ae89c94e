import fc from 'fast-check';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatSource, parseSource } from './parse-source.ts';

const HASH = 'ab'.repeat(32);

describe('parseSource', () => {
  it.each([
    ['hf:owner/repo', { kind: 'hf', repo: 'owner/repo', revision: 'main' }],
    ['owner/repo:Q4_K_M', { kind: 'hf', repo: 'owner/repo', revision: 'main', select: 'Q4_K_M' }],
    ['hf:a/b@v1.0:dir/m.gguf', { kind: 'hf', repo: 'a/b', revision: 'v1.0', select: 'dir/m.gguf' }],
    ['https://huggingface.co/a/b', { kind: 'hf', repo: 'a/b', revision: 'main' }],
    [
      'https://huggingface.co/a/b/resolve/v2/m.gguf?download=true',
      { kind: 'hf', repo: 'a/b', revision: 'v2', select: 'm.gguf' },
    ],
    [`https://x.org/m.gguf#sha256=${HASH}`, { kind: 'https', url: 'https://x.org/m.gguf', sha256: HASH }],
    ['http://127.0.0.1:8/m.gguf', { kind: 'https', url: 'http://127.0.0.1:8/m.gguf' }],
    ['file:/a/b.gguf', { kind: 'file', path: resolve('/a/b.gguf') }],
    ['./m.gguf', { kind: 'file', path: resolve('m.gguf') }],
    ['m.gguf', { kind: 'file', path: resolve('m.gguf') }],
    ['npm:@s/p@1.2.3', { kind: 'npm', package: '@s/p', version: '1.2.3' }],
    ['npm:p:Q8_0', { kind: 'npm', package: 'p', select: 'Q8_0' }],
    [
      'pypi:some_pkg==1.0.post1:q4_0',
      { kind: 'pypi', package: 'some_pkg', version: '1.0.post1', select: 'q4_0' },
    ],
    [
      'oci:registry.example.org/a/b:v1',
      { kind: 'oci', registry: 'registry.example.org', repository: 'a/b', reference: 'v1' },
    ],
    [
      `oci:localhost:5000/a@sha256:${HASH}`,
      { kind: 'oci', registry: 'localhost:5000', repository: 'a', reference: `sha256:${HASH}` },
    ],
    [
      'ollama:m',
      { kind: 'ollama', registry: 'registry.ollama.ai', repository: 'library/m', reference: 'latest' },
    ],
    ['ollama:u/m:1b', { kind: 'ollama', registry: 'registry.ollama.ai', repository: 'u/m', reference: '1b' }],
    [
      'ollama:127.0.0.1:9/library/m',
      { kind: 'ollama', registry: '127.0.0.1:9', repository: 'library/m', reference: 'latest' },
    ],
  ])('%s', (text, source) => {
    expect(parseSource(text)).toEqual(source);
    expect(parseSource(formatSource(parseSource(text)))).toEqual(source);
  });

  it.each([
    'smollm2',
    'ftp://x/m.gguf',
    'http://example.org/m.gguf',
    'https://user:secret@example.org/m.gguf',
    'https://x.org/m.gguf#sha256=12',
    'hf:owner',
    'hf:../../etc',
    'hf:a/b:../../m.gguf',
    'hf:a/b:/etc/passwd',
    'pypi:--index-url=x',
    'pypi:a b',
    'pypi:a; rm -rf',
    'npm:--x',
    'npm:git+ssh://x',
    'npm:../x',
    'npm:a@file:..',
    'oci:name:tag',
    'oci:host/../x:tag',
    'ollama:m:bad tag',
    'file:',
    '',
  ])('refuses %s', (text) => {
    expect(() => parseSource(text)).toThrow(/a source is hf:/);
  });

  it('never shows a password', () => {
    expect(() => parseSource('https://user:secret@example.org/m.gguf')).toThrow(/^(?!.*secret)/s);
  });

  it('says back what it read, for any text that it reads', () => {
    const scheme = fc.constantFrom('hf:', 'pypi:', 'npm:', 'oci:', 'ollama:', '');
    const rest = fc.stringMatching(/^[a-z@./:=_-]{0,20}$/);
    fc.assert(
      fc.property(scheme, rest, (head, tail) => {
        let source;
        try {
          source = parseSource(head + tail);
        } catch (error) {
          expect((error as { code: string }).code).toBe('request');
          return;
        }
        expect(parseSource(formatSource(source))).toEqual(source);
      }),
    );
  });
});
