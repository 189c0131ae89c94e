import { Validator } from '@seriousme/openapi-schema-validator';
import { createStubEmbeddingModel, createStubModel } from '@steelyard/engine/testing';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { endpoints } from '../endpoints/index.ts';
import { providerOf } from '../model-provider.ts';
import { createServer } from '../server.ts';
import { Components } from './components.ts';
import { groupOf, groups } from './groups/index.ts';
import { querySchema, toJsonSchema } from './json-schema.ts';
import { openApiDocument } from './openapi.ts';
import { fillExample } from './pages.ts';
import { typeText } from './schema-view.ts';

const document = openApiDocument(endpoints, '1.2.3');
const { app } = createServer({
  models: providerOf([createStubModel({ name: 'a <b> model' })]),
  embeddingModels: providerOf([createStubEmbeddingModel({ name: 'vectors' })]),
});

describe('the OpenAPI document', () => {
  it('is valid OpenAPI 3.1', async () => {
    const { valid, errors } = await new Validator().validate(
      structuredClone(document) as unknown as Record<string, unknown>,
    );
    expect(errors).toBeUndefined();
    expect(valid).toBe(true);
  });

  it('has every endpoint, under a name of its own', () => {
    const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
    expect(operations).toHaveLength(endpoints.length);
    expect(new Set(operations.map((one) => one.operationId)).size).toBe(endpoints.length);
  });

  it('refers only to what it holds, and holds nothing twice', () => {
    const { schemas } = document.components;
    const text = JSON.stringify(document);
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g))
      expect(schemas).toHaveProperty([name!]);
    const texts = Object.values(schemas).map((schema) => JSON.stringify(schema));
    expect(new Set(texts).size).toBe(texts.length);
  });

  it('is served', async () => {
    const response = await app.request('/openapi.json');
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ openapi: '3.1.0', paths: document.paths });
  });
});

describe('components', () => {
  it('are found again inside others', () => {
    const inner = toJsonSchema(z.object({ object: z.literal('thing'), n: z.int() }), 'output');
    const outer = toJsonSchema(
      z.object({ all: z.array(z.object({ object: z.literal('thing'), n: z.int() })) }),
      'output',
    );
    const components = new Components();
    expect(components.add(inner, 'Thing')).toEqual({ $ref: '#/components/schemas/Thing' });
    components.add(outer, 'Things');
    expect(components.add(structuredClone(inner), 'Other')).toEqual({ $ref: '#/components/schemas/Thing' });
    expect(components.schemas()).toMatchObject({
      Thing: { properties: { n: { type: 'integer' } } },
      Things: { properties: { all: { items: { $ref: '#/components/schemas/Thing' } } } },
    });
  });

  it('of one name and two kinds get two names', () => {
    const components = new Components();
    components.add({ type: 'string' }, 'X');
    expect(components.add({ type: 'number' }, 'X')).toEqual({ $ref: '#/components/schemas/X2' });
  });
});

it('documents values behind a path as what they are read as', () => {
  const limit = z.string().transform(Number).pipe(z.int().min(1).max(9)).default(5);
  expect(querySchema(z.strictObject({ limit, after: z.string() }))).toMatchObject({
    properties: { limit: { type: 'integer', minimum: 1, maximum: 9, default: 5 } },
    required: ['after'],
  });
});

it.each([
  [z.int().min(1).max(128).nullish(), 'integer, 1 to 128 or null'],
  [z.array(z.string()), 'list of string'],
  [z.enum(['a', 'b']), '"a" or "b"'],
  [z.number().positive(), 'number, above 0'],
  [z.enum(['a', 'b']).default('b'), '"a" or "b", default "b"'],
  [z.boolean().default(true), 'boolean, default true'],
])('words types for people', (schema, text) => {
  expect(typeText(toJsonSchema(schema, 'output'), {})).toBe(text);
});

describe('the pages', () => {
  it('put every endpoint into a group', () => {
    for (const { path } of endpoints) expect(() => groupOf(path)).not.toThrow();
    expect(() => groupOf('/v2/other')).toThrow('/v2/other');
    expect(() => groupOf('/v1/filesystem')).toThrow('/v1/filesystem');
  });

  it.each(groups.map(({ slug, title }) => [slug, title]))('%s shows its endpoints', async (slug, title) => {
    const response = await app.request(`/docs/${slug}`);
    expect(response.status).toBe(200);
    const text = await response.text();
    for (const methods of Object.values(document.paths))
      for (const { operationId, tags } of Object.values(methods))
        expect(text.includes(`id="${operationId}"`), operationId).toBe(tags.includes(title));
    // Nothing that the content policy forbids, and no name unescaped.
    expect(text).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|<b>/);
  });

  it('fill examples with what is served', async () => {
    const text = await (await app.request('http://localhost:9/docs/chat')).text();
    expect(text).toContain('http://localhost:9/v1/chat/completions');
    expect(text).toContain('a &lt;b&gt; model');
    expect(fillExample('MODEL EMBEDDING_MODEL', { origin: '' })).toBe('MODEL EMBEDDING_MODEL');
    expect(fillExample('MODEL EMBEDDING_MODEL', { origin: '', model: 'm' })).toBe('m EMBEDDING_MODEL');
  });

  it('are there without a chat page, and where only vectors are made', async () => {
    const only = createServer({
      models: providerOf([]),
      embeddingModels: providerOf([createStubEmbeddingModel({ name: 'vectors' })]),
      chatPage: false,
    }).app;
    const page = await only.request('/docs/embeddings');
    expect([page.status, (await page.text()).includes('vectors')]).toEqual([200, true]);
    const first = await only.request('/');
    expect([first.status, first.headers.get('location')]).toEqual([302, '/docs']);
    for (const file of ['/docs.css', '/docs.js', '/colours.css', '/icon.svg'])
      expect((await only.request(file)).status, file).toBe(200);
    for (const file of ['/main.js', '/style.css']) expect((await only.request(file)).status, file).toBe(404);
  });

  it('name what there is when asked for another', async () => {
    const response = await app.request('/docs/none');
    expect(response.status).toBe(404);
    expect(await response.text()).toContain('chat, ');
  });
});
