import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { chatPageFiles } from './chat-page-files.ts';

const page = (name: string) => new URL(`page/${name}`, import.meta.url);
const built = existsSync(new URL('../dist/page/main.js', import.meta.url));
const html = readFileSync(new URL('../static/index.html', import.meta.url), 'utf8');

describe('the page', () => {
  it('holds nothing that its content policy forbids', () => {
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)/);
    expect(html).not.toMatch(/<style|\sstyle=|\son\w+=/);
    for (const [, url] of html.matchAll(/(?:src|href)="([^"]*)"/g)) expect(url).toMatch(/^\/[a-z.-]+$/);
    for (const name of readdirSync(page(''))) {
      if (name.endsWith('.test.ts')) continue;
      expect(readFileSync(page(name), 'utf8')).not.toMatch(
        /innerHTML|outerHTML|insertAdjacentHTML|document\.write/,
      );
    }
  });

  it.skipIf(!built)(
    'is served whole: every file that it refers to, and every module (needs the build)',
    async () => {
      const files = await chatPageFiles();
      for (const [, url] of html.matchAll(/(?:src|href)="([^"]*)"/g))
        expect([...files.keys()]).toContain(url);
      const modules = readdirSync(page('')).filter((name) => !name.endsWith('.test.ts'));
      expect([...files.keys()].filter((path) => path.endsWith('.js')).sort()).toEqual(
        modules.map((name) => `/${name.replace('.ts', '.js')}`).sort(),
      );
      for (const [path, file] of files) {
        for (const [, from] of file.body.matchAll(/from ["'](\.[^"']*)["']/g)) {
          expect([...files.keys()], `${path} imports ${from}`).toContain(from!.slice(1));
        }
      }
    },
  );
});
