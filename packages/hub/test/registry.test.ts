/** `oci:` and `ollama:` pulls against a registry of this process that asks for tokens. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create } from 'tar';
import { mkdir, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { pull } from '../src/index.ts';
import { randomBytesOf, sendFile, sendJson, serve, sha256, type TestServer } from './serve.ts';
import { FAST, temporaryStore } from './temporary-store.ts';

const WEIGHTS = randomBytesOf(50_000, 1);

interface LayerOf {
  readonly body: Buffer | string;
  readonly mediaType: string;
  readonly annotations?: Record<string, string>;
}

/** A registry of one repository, `library/tiny:latest`; blobs need a token for that repository. */
async function fakeRegistry(
  layers: readonly LayerOf[],
  tamper: (path: string, body: Buffer) => Buffer = (_, b) => b,
) {
  const blobs = new Map(layers.map(({ body }) => [`sha256:${sha256(body)}`, Buffer.from(body)]));
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      layers: layers.map(({ body, ...rest }) => ({
        ...rest,
        digest: `sha256:${sha256(body)}`,
        size: Buffer.from(body).length,
      })),
      annotations: { 'org.opencontainers.image.licenses': 'Apache-2.0' },
    }),
  );
  const server: TestServer = await serve((request, response) => {
    const url = new URL(request.url ?? '', server.url);
    if (url.pathname === '/token') {
      const wanted = url.searchParams.get('scope') === 'repository:library/tiny:pull';
      return sendJson(response, wanted ? { token: 'T', expires_in: 300 } : {}, wanted ? 200 : 403);
    }
    if (request.headers.authorization !== 'Bearer T') {
      response.setHeader('www-authenticate', `Bearer realm="${server.url}/token",service="test"`);
      return sendJson(response, {}, 401);
    }
    const path = url.pathname.slice('/v2/library/tiny/'.length);
    if (path === 'manifests/latest') {
      response.setHeader('docker-content-digest', `sha256:${sha256(manifest)}`);
      response.end(tamper(path, manifest));
      return;
    }
    const blob = blobs.get(path.replace('blobs/', ''));
    if (blob) sendFile(request, response, tamper(path, blob));
    else sendJson(response, {}, 404);
  });
  return server;
}

const OLLAMA: LayerOf[] = [
  { body: WEIGHTS, mediaType: 'application/vnd.ollama.image.model' },
  { body: '{{ .Prompt }}', mediaType: 'application/vnd.ollama.image.template' },
  { body: '{"stop":["x"]}', mediaType: 'application/vnd.ollama.image.params' },
  { body: 'terms', mediaType: 'application/vnd.ollama.image.license' },
  { body: 'more terms', mediaType: 'application/vnd.ollama.image.license' },
];

describe('registry', () => {
  it('pulls an Ollama model with a token', async () => {
    await using registry = await fakeRegistry(OLLAMA);
    await using place = await temporaryStore();
    const source = `ollama:${registry.host}/library/tiny`;
    const model = await pull(source, { store: place.store, env: {}, ...FAST });
    expect(model).toMatchObject({ name: 'tiny', source: `${source}:latest`, license: 'Apache-2.0' });
    expect(model.files.map((file) => file.path).sort()).toEqual([
      'LICENSE',
      'LICENSE.2',
      'params.ollama.json',
      'template.ollama',
      'tiny-latest.gguf',
    ]);
    expect((await readFile(model.path)).equals(WEIGHTS)).toBe(true);
    expect(await place.store.find('tiny:latest')).toEqual(model);
  });

  it('pulls files with titles as published, and unpacks archives', async () => {
    await using place = await temporaryStore();
    const folder = join(place.folder, 'in');
    await mkdir(folder);
    await writeFile(join(folder, 'tokenizer.json'), '{"a":1}');
    await writeFile(join(folder, 'run.py'), 'print()');
    const archive = join(place.folder, 'a.tgz');
    await create({ gzip: true, file: archive, cwd: folder }, ['tokenizer.json', 'run.py']);
    await using registry = await fakeRegistry([
      {
        body: WEIGHTS,
        mediaType: 'application/vnd.cncf.model.weight.v1.raw',
        annotations: { 'org.cncf.model.filepath': 'model.safetensors' },
      },
      { body: '{}', mediaType: 'text/x', annotations: { 'org.opencontainers.image.title': 'config.json' } },
      { body: await readFile(archive), mediaType: 'application/vnd.cncf.model.weight.config.v1.tar+gzip' },
    ]);
    const model = await pull(`oci:${registry.host}/library/tiny`, { store: place.store, env: {}, ...FAST });
    const names = model.files.map((file) => file.path).sort();
    expect(names).toEqual(['config.json', 'model.safetensors', 'tokenizer.json']);
    expect(await readFile(join(model.path, 'tokenizer.json'), 'utf8')).toBe('{"a":1}');
  });

  it('refuses altered manifests, altered blobs and names that leave the folder', async () => {
    await using place = await temporaryStore();
    const options = { store: place.store, env: {}, ...FAST };
    const flip = (body: Buffer): Buffer => Buffer.from(body.map((byte, at) => (at === 50 ? byte ^ 1 : byte)));
    for (const [part, message] of [
      ['manifests', /the manifest is sha256:.* was promised/],
      ['blobs', /SHA-256 is/],
    ] as const) {
      await using registry = await fakeRegistry(OLLAMA, (path, body) =>
        path.startsWith(part) ? flip(body) : body,
      );
      await expect(pull(`oci:${registry.host}/library/tiny`, options)).rejects.toThrow(message);
    }
    await using evil = await fakeRegistry([
      { body: WEIGHTS, mediaType: 'x', annotations: { 'org.opencontainers.image.title': '../../evil.gguf' } },
    ]);
    await expect(pull(`oci:${evil.host}/library/tiny`, options)).rejects.toThrow(/'\.\.'/);
    await expect(pull(`oci:${evil.host}/library/other`, options)).rejects.toThrow(/gives no token/);
    await expect(pull(`oci:${evil.host}/library/tiny:v9`, options)).rejects.toMatchObject({
      code: 'not_found',
    });
    expect(await place.store.list()).toEqual([]);
  });
});
