/** Opening models by path: files, folders, shards, parts, blobs without a name, and what is not a model. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

  it.each(['../model.safetensors', '/etc/model.safetensors', 'a\\b.safetensors', 'model.bin', 7])(
    'refuses an index that names %j',
    (name) => {
      put('traversal/config.json', {});
      put('traversal/model.safetensors.index.json', { weight_map: { t: name } });
      expect(() => openModel(join(root, 'traversal'))).toThrow(
        /weight_map names .* expected a \.safetensors file beside it/,
      );
    },
  );

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
