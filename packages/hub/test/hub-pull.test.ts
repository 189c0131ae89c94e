/** `hf:` pulls against a hub of this process: what is chosen, what is said when it cannot be had. */

import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pull, type PullProgress } from '../src/index.ts';
import { fakeHub } from './fake-hub.ts';
import { randomBytesOf, sendJson, serve, sha256 } from './serve.ts';
import { FAST, temporaryStore } from './temporary-store.ts';

const SAFETENSORS = {
  'config.json': Buffer.from('{}'),
  'model-00001-of-00002.safetensors': randomBytesOf(5000, 1),
  'model-00002-of-00002.safetensors': randomBytesOf(4000, 2),
  'model.safetensors.index.json': Buffer.from('{"weight_map":{}}'),
  'consolidated.safetensors': randomBytesOf(9000, 3),
  'tokenizer.json': randomBytesOf(2000, 4),
  'chat_template.jinja': Buffer.from('{{ messages }}'),
  LICENSE: Buffer.from('terms'),
  'README.md': Buffer.from('# hi'),
  'pytorch_model.bin': randomBytesOf(3000, 5),
  'onnx/model.onnx': randomBytesOf(3000, 6),
  'modeling_custom.py': Buffer.from('print()'),
};
const GGUF = {
  'model-Q4_K_M.gguf': randomBytesOf(3000, 7),
  'model-Q8_0.gguf': randomBytesOf(6000, 8),
  'model-f16-00001-of-00002.gguf': randomBytesOf(2000, 9),
  'model-f16-00002-of-00002.gguf': randomBytesOf(2000, 10),
  'mmproj-model-f16.gguf': randomBytesOf(2000, 11),
};

describe('hf', () => {
  it('takes all shards, JSON, tokenizer, template and licence of a safetensors repository, and nothing else', async () => {
    await using hub = await fakeHub(SAFETENSORS);
    await using place = await temporaryStore();
    const seen: PullProgress[] = [];
    const options = {
      store: place.store,
      env: hub.env,
      ...FAST,
      onProgress: (p: PullProgress) => seen.push(p),
    };
    const model = await pull('owner/repo', options);
    expect(model.files.map((file) => file.path).sort()).toEqual([
      'LICENSE',
      'chat_template.jinja',
      'config.json',
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      'model.safetensors.index.json',
      'tokenizer.json',
    ]);
    expect(model).toMatchObject({ name: 'repo', source: 'hf:owner/repo', license: 'apache-2.0' });
    expect(model.metadata).toMatchObject({ baseModel: 'owner/base' });
    expect((await stat(model.path)).isDirectory()).toBe(true);
    for (const [path, body] of Object.entries(SAFETENSORS).filter(([name]) =>
      model.files.some((f) => f.path === name),
    )) {
      expect((await readFile(join(model.path, path))).equals(body)).toBe(true);
    }
    expect((await place.store.verify('repo')).ok).toBe(true);
    expect(await place.names('partial')).toEqual([]);
    expect(await place.names('tmp')).toEqual([]);
    expect(seen[0]?.phase).toBe('resolve');
    expect(seen.at(-1)).toMatchObject({ phase: 'done', receivedBytes: model.bytes, totalBytes: model.bytes });
  });

  it('fetches nothing twice: a second pull asks the hub for the list only', async () => {
    await using hub = await fakeHub(SAFETENSORS);
    await using place = await temporaryStore();
    const options = { store: place.store, env: hub.env, ...FAST };
    const first = await pull('hf:owner/repo', options);
    const before = hub.log.length;
    const second = await pull('hf:owner/repo', options);
    const again = hub.log.slice(before).filter((line) => /resolve.*(safetensors|tokenizer.json)$/.test(line));
    expect(again).toEqual([]);
    expect({ ...second, pulledAt: '' }).toEqual({ ...first, pulledAt: '' });
    expect(await place.store.list()).toHaveLength(1);
  });

  it.each([
    ['q8_0', ['model-Q8_0.gguf']],
    ['Q4_K_M', ['model-Q4_K_M.gguf']],
    ['F16', ['model-f16-00001-of-00002.gguf', 'model-f16-00002-of-00002.gguf']],
    ['mmproj-model-f16.gguf', ['mmproj-model-f16.gguf']],
  ])('chooses %s', async (select, files) => {
    await using hub = await fakeHub(GGUF);
    await using place = await temporaryStore();
    const model = await pull(`hf:owner/repo:${select}`, { store: place.store, env: hub.env, ...FAST });
    expect(model.files.map((file) => file.path)).toEqual(files);
    expect(model.path.endsWith(files[0] ?? '')).toBe(true);
    expect(sha256(await readFile(model.path))).toBe(model.files[0]?.sha256);
  });

  it('lists what is there when the choice is open or wrong', async () => {
    await using hub = await fakeHub(GGUF);
    await using place = await temporaryStore();
    const options = { store: place.store, env: hub.env, ...FAST };
    await expect(pull('hf:owner/repo', options)).rejects.toThrow(/several models.*\n.*Q4_K_M.*3.00 kB/s);
    await expect(pull('hf:owner/repo:Q2_K', options)).rejects.toThrow(
      /no file or quantisation 'Q2_K'.*Q8_0/s,
    );
    expect(await place.store.list()).toEqual([]);
  });

  it('says what a refusal means', async () => {
    let status = 401;
    const authorizations: (string | undefined)[] = [];
    await using server = await serve((request, response) => {
      authorizations.push(request.headers.authorization);
      sendJson(response, {}, status);
    });
    await using place = await temporaryStore();
    const options = { store: place.store, ...FAST };
    const anonymous = { ...options, env: { HF_ENDPOINT: server.url, HF_TOKEN: '' } };
    const known = { ...options, env: { HF_ENDPOINT: server.url, HF_TOKEN: 'hf_secret' } };
    await expect(pull('hf:a/b', anonymous)).rejects.toThrow(/name is wrong, or.*gated.*set HF_TOKEN/);
    await expect(pull('hf:a/b', known)).rejects.toThrow(/token in HF_TOKEN is not valid/);
    expect(authorizations).toEqual([undefined, 'Bearer hf_secret']);
    status = 403;
    await expect(pull('hf:a/b', known)).rejects.toThrow(/gated: accept its terms/);
    status = 404;
    await expect(pull('hf:a/b', known)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('refuses names that leave the folder, and hashes that are none', async () => {
    await using place = await temporaryStore();
    const entries = [
      [{ type: 'file', path: 'x.gguf\\..\\..\\evil.gguf', size: 10, lfs: { oid: 'a'.repeat(64), size: 10 } }],
      [{ type: 'file', path: 'C:evil.gguf', size: 10, lfs: { oid: 'a'.repeat(64), size: 10 } }],
      [{ type: 'file', path: 'm.gguf', size: 10, lfs: { oid: '../../evil', size: 10 } }],
      [{ type: 'file', path: 'm.gguf', size: -1 }],
    ];
    for (const list of entries) {
      await using server = await serve((request, response) =>
        sendJson(response, request.url?.includes('/tree/') ? list : { sha: 'a'.repeat(40) }),
      );
      const env = { HF_ENDPOINT: server.url, HF_TOKEN: '' };
      await expect(pull('hf:a/b', { store: place.store, env, ...FAST })).rejects.toMatchObject({
        code: 'format',
      });
    }
    expect(await place.names('blobs')).toEqual([]);
  });

  it('follows the pages of a listing, and keeps its token to the hub when files lie elsewhere', async () => {
    const body = randomBytesOf(3000, 1);
    const tokens: Record<string, string | undefined> = {};
    await using files = await serve((request, response) => {
      tokens['files'] = request.headers.authorization;
      response.end(body);
    });
    const entry = { type: 'file', path: 'm.gguf', size: 3000, lfs: { oid: sha256(body), size: 3000 } };
    await using hub = await serve((request, response) => {
      tokens['hub'] = request.headers.authorization;
      const url = request.url ?? '';
      if (url.includes('/resolve/')) response.writeHead(302, { location: `${files.url}/x` }).end();
      else if (url.includes('cursor=2')) sendJson(response, [entry]);
      else if (url.includes('/tree/')) {
        response.setHeader('link', `<${url}&cursor=2>; rel="next"`);
        sendJson(response, [{ type: 'directory', path: 'd' }]);
      } else sendJson(response, { sha: 'a'.repeat(40), tags: ['license:mit'] });
    });
    await using place = await temporaryStore();
    const env = { HF_ENDPOINT: hub.url, HF_TOKEN: 'hf_secret' };
    const model = await pull('hf:a/b', { store: place.store, env, ...FAST });
    expect(model).toMatchObject({ license: 'mit', bytes: 3000 });
    expect(tokens).toEqual({ hub: 'Bearer hf_secret', files: undefined });
  });
});
