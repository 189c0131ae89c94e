/** Vector stores: files that are read in the background, each once, and found afterwards. */

import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { VectorSearchPage } from '../../../src/schemas/vector-search.ts';
import type { TextPage, VectorFile, VectorStoreObject } from '../../../src/schemas/vector-stores.ts';
import type { Api } from '../api.ts';
import type { Kind } from '../kind.ts';
import { Ledger } from '../ledger.ts';
import { sendFile } from './files.ts';

const PATH = '/v1/vector_stores';
const KEPT = 2;
const WORDS = 300;
/** Files that are not read yet, at most. */
const MOST_WAITING = 4;
const CHUNKING = { type: 'static', static: { max_chunk_size_tokens: 100, chunk_overlap_tokens: 0 } };

interface List<Entry> {
  readonly data: readonly Entry[];
}

export function vectorStores(): Kind {
  const ledger = new Ledger<{ readonly files: readonly string[] }>();
  /** Texts of files. */
  const texts = new Map<string, string>();
  /** Files seen when they had been read. */
  const ready = new Set<string>();
  let serial = 0;
  const remove = (api: Api, id: string) => ledger.remove(id, () => api.remove(`${PATH}/${id}`));

  async function read(api: Api, id: string): Promise<{ files: string[] } | undefined> {
    if (!(await api.find<VectorStoreObject>(`${PATH}/${id}`))) return undefined;
    const { data } = await api.get<List<VectorFile>>(`${PATH}/${id}/files?order=asc&limit=100`);
    for (const file of data) await compare(api, id, file);
    return { files: data.map((file) => file.id).sort() };
  }

  async function compare(api: Api, store: string, { id, status, last_error }: VectorFile): Promise<void> {
    if (ready.has(id)) expect(status, `${id} had been read`).toBe('completed');
    if (status === 'in_progress') return;
    expect([status, last_error], id).toEqual(['completed', null]);
    ready.add(id);
    const text = texts.get(id);
    // Not known where the kill came before the answer to the file itself.
    if (text === undefined) return;
    const { data } = await api.get<TextPage>(`${PATH}/${store}/files/${id}/content`);
    expect(data.map((piece) => piece.text.trim()).join(' '), `${id}: each piece once`).toBe(text);
    const query = text.split(' ', 1)[0]!;
    const found = await api.post<VectorSearchPage>(`${PATH}/${store}/search`, { query });
    expect(
      found.data.map(({ file_id }) => file_id),
      `${id} is found`,
    ).toContain(id);
  }

  const waiting = () => ledger.states.flatMap(({ files }) => files).filter((file) => !ready.has(file)).length;

  return {
    name: 'vector stores',
    acknowledged: () => ledger.acknowledged,
    async write(api, random) {
      if (waiting() >= MOST_WAITING) {
        await sleep(20);
        for (const id of ledger.ids) await read(api, id);
        return;
      }
      const n = serial++;
      const text = Array.from({ length: 1 + random(WORDS) }, (_, i) => `w${n}x${i}`).join(' ');
      let id = ledger.ids.at(-1);
      if (id === undefined || random(6) === 0) {
        id = (await api.post<VectorStoreObject>(PATH, { name: `store ${n}` })).id;
        ledger.keep(id, { files: [] });
      }
      const file = await sendFile(api, 'assistants', Buffer.from(text));
      texts.set(file, text);
      const store = id;
      const add = () => api.post(`${PATH}/${store}/files`, { file_id: file, chunking_strategy: CHUNKING });
      await ledger.change(store, ({ files }) => ({ files: [...files, file].sort() }), add);
      if (random(5) === 0) {
        const take = () => api.remove(`${PATH}/${store}/files/${file}`);
        texts.delete(file);
        await ledger.change(store, ({ files }) => ({ files: files.filter((other) => other !== file) }), take);
      }
    },
    check: (api) => ledger.check((id) => read(api, id)),
    async clear(api) {
      ledger.forgetDeleted();
      for (const id of ledger.ids.slice(0, -KEPT)) {
        const { files } = ledger.states[0]!;
        await remove(api, id);
        for (const file of files) await api.remove(`/v1/files/${file}`);
      }
    },
    async end(api) {
      for (const id of ledger.ids) {
        const { files } = (await read(api, id))!;
        while (files.some((file) => !ready.has(file))) {
          await sleep(20);
          await read(api, id);
        }
      }
    },
  };
}
