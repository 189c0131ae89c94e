/** Opening models by path: files, folders, shards, parts, blobs without a name, and what is not a model. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { NotFoundError } from '@steelyard/core';
import { openModel } from '@steelyard/formats/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ggufBytes, SAFETENSORS, safetensorsBytes, TENSORS } from './files.ts';

let root = '';

function put(path: string, content: Uint8Array | object): string {
  const full = join(root, path);
  mkdirSync(join(full, '..'), { recursive: true });
  writeFileSync(full, content instanceof Uint8Array ? content : JSON.stringify(content));
  return full;
}

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'steelyard-formats-'));
});
afterAll(() => rmSync(root, { recursive: true }));

describe('GGUF', () => {
  it('by its file, with regions that point into it', () => {
    const path = put('one/model.gguf', ggufBytes());
    const model = openModel(path);
    const tensor = model.tensors.get('token_embd.weight');
    expect(tensor?.region).toMatchObject({ path, length: 204 });
    expect(tensor?.bytes().length).toBe(204);
    model.close();
    expect(() => tensor?.bytes()).toThrow(/was closed/);
  });

  it('by a relative path, with regions that outlive a change of folder', () => {
    const path = put('one/model.gguf', ggufBytes());
    const tensor = openModel(relative('.', path)).tensors.get('norm.weight');
    expect(tensor?.region?.path).toBe(path);
  });

  it('by its folder', () => {
    put('one/README.md', {});
    expect(openModel(join(root, 'one')).format).toBe('gguf');
  });

  it('as a blob without a file ending', () => {
    expect(openModel(put('blobs/sha256-00', ggufBytes())).tensors.size).toBe(3);
  });

  it('in parts, by any of them or by the folder', () => {
    const part = (no: number) =>
      ggufBytes(
        { 'split.no': { type: 'u16', value: no }, 'split.count': { type: 'u16', value: 2 } },
        TENSORS.slice(no, no + 1),
      );
    put('parts/m-00001-of-00002.gguf', part(0));
    const second = put('parts/m-00002-of-00002.gguf', part(1));
    expect(openModel(second).tensors.size).toBe(2);
    expect(openModel(join(root, 'parts')).tensors.size).toBe(2);
  });

  it('with a part missing', () => {
    const path = put('lost/m-00001-of-00002.gguf', ggufBytes());
    expect(() => openModel(path)).toThrow(/cannot open .*m-00002-of-00002\.gguf/);
  });
});

describe('safetensors', () => {
  const [first, second] = Object.entries(SAFETENSORS).map(([name, entry]) => ({ [name]: entry }));

  it('in one file, with its JSON files', () => {
    put('single/model.safetensors', safetensorsBytes(SAFETENSORS, 32));
    put('single/config.json', { model_type: 'llama' });
    put('single/tokenizer.json', { version: '1.0' });
    put('single/chat_template.jinja', new TextEncoder().encode('{{ messages }}'));
    const model = openModel(join(root, 'single'));
    expect(model).toMatchObject({
      format: 'safetensors',
      config: { model_type: 'llama' },
      tokenizer: { version: '1.0' },
      chatTemplate: '{{ messages }}',
    });
    expect(model.tensors.size).toBe(2);
  });

  it('in shards', () => {
    put('sharded/config.json', {});
    put('sharded/a.safetensors', safetensorsBytes(first ?? {}, 8));
    put(
      'sharded/b.safetensors',
      safetensorsBytes(
        { ...second, 'lm_head.weight': { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] } },
        24,
      ),
    );
    put('sharded/model.safetensors.index.json', {
      weight_map: { 'model.norm.weight': 'a.safetensors', 'lm_head.weight': 'b.safetensors' },
    });
    expect([...openModel(join(root, 'sharded')).tensors.keys()]).toEqual([
      'model.norm.weight',
      'lm_head.weight',
    ]);
  });

  it.each([
    '../model.safetensors',
    '/etc/model.safetensors',
    'a\\b.safetensors',
    'a\0.safetensors',
    'model.bin',
    7,
  ])('refuses an index that names %j', (name) => {
    put('traversal/config.json', {});
    put('traversal/model.safetensors.index.json', { weight_map: { t: name } });
    expect(() => openModel(join(root, 'traversal'))).toThrow(
      /weight_map names .* for t, expected a \.safetensors file beside it/,
    );
  });

  it('refuses an index of tensors that its shards do not hold', () => {
    put('stale/config.json', {});
    put('stale/a.safetensors', safetensorsBytes(SAFETENSORS, 32));
    put('stale/model.safetensors.index.json', { weight_map: { 'another.weight': 'a.safetensors' } });
    expect(() => openModel(join(root, 'stale'))).toThrow(/a\.safetensors: has no tensor another\.weight/);
  });

  it.each([{}, { weight_map: {} }, { weight_map: 3 }])('refuses the index %j', (index) => {
    put('mapless/model.safetensors.index.json', index);
    expect(() => openModel(join(root, 'mapless'))).toThrow(
      /weight_map is .*, expected an object of file names/,
    );
  });

  it('refuses a tensor in two shards', () => {
    put('twice/config.json', {});
    for (const name of ['a', 'b']) put(`twice/${name}.safetensors`, safetensorsBytes(SAFETENSORS, 32));
    put('twice/model.safetensors.index.json', { weight_map: { x: 'a.safetensors', y: 'b.safetensors' } });
    expect(() => openModel(join(root, 'twice'))).toThrow(
      /b\.safetensors: tensor model\.norm\.weight is in another shard too/,
    );
  });

  it('prefers model.safetensors to copies under other names', () => {
    put('copies/config.json', {});
    put('copies/consolidated.safetensors', safetensorsBytes({}, 2));
    put('copies/model.safetensors', safetensorsBytes(SAFETENSORS, 32));
    expect(openModel(join(root, 'copies')).tensors.size).toBe(2);
  });

  it('refuses a config.json that is a folder', () => {
    put('odd/model.safetensors', safetensorsBytes(SAFETENSORS, 32));
    mkdirSync(join(root, 'odd/config.json'));
    expect(() => openModel(join(root, 'odd'))).toThrow(/config\.json is not a file/);
  });

  it('refuses a folder without config.json', () => {
    put('bare/model.safetensors', safetensorsBytes(SAFETENSORS, 32));
    expect(() => openModel(join(root, 'bare'))).toThrow(
      /has no config\.json beside the safetensors; pull the whole repository/,
    );
  });
});

describe('what is not a model', () => {
  it('nothing there', () => {
    expect(() => openModel(join(root, 'nowhere.gguf'))).toThrow(NotFoundError);
  });

  it.skipIf(process.platform === 'win32')('a pipe, which is not waited for', () => {
    const path = join(root, 'pipe.gguf');
    execFileSync('mkfifo', [path]);
    expect(() => openModel(path)).toThrow(/pipe\.gguf is not a file/);
  });

  it('an empty folder', () => {
    mkdirSync(join(root, 'empty'));
    expect(() => openModel(join(root, 'empty'))).toThrow(/found no model file, expected one \.gguf/);
  });

  it('two models in a folder', () => {
    put('two/a.gguf', ggufBytes());
    put('two/b.gguf', ggufBytes());
    expect(() => openModel(join(root, 'two'))).toThrow(
      /found a\.gguf, b\.gguf, expected one .*; name the file/,
    );
  });

  it('another file', () => {
    expect(() => openModel(put('notes.txt', { a: 1 }))).toThrow(/neither \.gguf nor \.safetensors/);
  });
});

describe('modules.json of sentence-transformers', () => {
  const type = 'sentence_transformers.models.Pooling';

  it('is read with the configuration of each step', () => {
    put('modules/model.safetensors', safetensorsBytes(SAFETENSORS, 32));
    put('modules/config.json', {});
    put('modules/1_Pooling/config.json', { pooling_mode_mean_tokens: true });
    put('modules/modules.json', [
      { idx: 0, path: '', type: 'a.Transformer' },
      { idx: 1, path: '1_Pooling', type },
      { idx: 2, path: '2_Normalize', type: 'a.Normalize' },
    ]);
    const model = openModel(join(root, 'modules'));
    expect(model).toMatchObject({
      modules: [
        { type: 'a.Transformer', config: {} },
        { type, config: { pooling_mode_mean_tokens: true } },
        { type: 'a.Normalize', config: {} },
      ],
    });
    model.close();
  });

  it('names no folder outside, and is a list', () => {
    put('outside/model.safetensors', safetensorsBytes(SAFETENSORS, 32));
    put('outside/config.json', {});
    for (const path of ['..', '../modules/1_Pooling', '/etc', 'a/b', 'a\\b', 7]) {
      put('outside/modules.json', [{ path, type }]);
      expect(() => openModel(join(root, 'outside'))).toThrow(/expected a type and the name of a folder/);
    }
    for (const content of [{}, [null], [7], [{ path: '' }]]) {
      put('outside/modules.json', content);
      expect(() => openModel(join(root, 'outside'))).toThrow(/modules.json/);
    }
  });
});
