import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { configJsonSchema } from './json-schema.ts';
import { configurationPage } from './page.ts';
import { settings } from './settings.ts';

const page = readFileSync(new URL('../../../../docs/configuration.md', import.meta.url), 'utf8');

it('docs/configuration.md is what the schema says; else run: npm run docs:configuration', () => {
  expect(page).toBe(configurationPage());
});

it('values of the Helm chart are held to the schema; else run: npm run docs:configuration', () => {
  const values = JSON.parse(
    readFileSync(new URL('../../../../deploy/helm/steelyard/values.schema.json', import.meta.url), 'utf8'),
  ) as { properties: { config: unknown } };
  expect(values.properties.config).toEqual(configJsonSchema());
});

it('every setting has a sentence, and its names are its own', () => {
  for (const { name, about } of settings) expect(about, name).toMatch(/^[A-Z].*\.$/);
  const names = settings.flatMap(({ option, variables }) => [...(option ? [option] : []), ...variables]);
  expect(new Set(names).size).toBe(names.length);
});
