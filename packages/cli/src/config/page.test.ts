import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { configurationPage } from './page.ts';
import { settings } from './settings.ts';

const page = readFileSync(new URL('../../../../docs/configuration.md', import.meta.url), 'utf8');

it('docs/configuration.md is what the schema says; else run: npm run docs:configuration', () => {
  expect(page).toBe(configurationPage());
});

it('every setting has a sentence, and its names are its own', () => {
  for (const { name, about } of settings) expect(about, name).toMatch(/^[A-Z].*\.$/);
  const names = settings.flatMap(({ option, variables }) => [...(option ? [option] : []), ...variables]);
  expect(new Set(names).size).toBe(names.length);
});
