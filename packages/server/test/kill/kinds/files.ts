/** Files: byte for byte. */

import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import type { FileList, FileObject } from '../../../src/schemas/files.ts';
import type { Api } from '../api.ts';
import type { Kind, Random } from '../kind.ts';
import { Ledger } from '../ledger.ts';

const PATH = '/v1/files';
const MOST_BYTES = 200_000;
const KEPT = 8;

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export function someBytes(random: Random, most = MOST_BYTES): Buffer<ArrayBuffer> {
  const pattern = createHash('sha256')
    .update(String(random(2 ** 30)))
    .digest();
  return Buffer.alloc(1 + random(most), pattern);
}

export async function sendFile(
  api: Api,
  purpose: FileObject['purpose'],
  bytes: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const file = new File([bytes], `${purpose}.txt`);
  return (await api.form<FileObject>(PATH, { purpose, file })).id;
}

export function files(): Kind {
  const ledger = new Ledger<string>();
  const remove = (api: Api, id: string) => ledger.remove(id, () => api.remove(`${PATH}/${id}`));
  return {
    name: 'files',
    acknowledged: () => ledger.acknowledged,
    async write(api, random) {
      const bytes = someBytes(random);
      ledger.keep(await sendFile(api, 'vision', bytes), sha256(bytes));
      if (random(3) === 0) await remove(api, ledger.ids[0]!);
    },
    async check(api) {
      await ledger.check(async (id) => {
        if (!(await api.find(`${PATH}/${id}`))) return undefined;
        return sha256(await api.bytes(`${PATH}/${id}/content`));
      });
      // Those not acknowledged too: a row without its content would be a loss to whoever lists it.
      const { data } = await api.get<FileList>(`${PATH}?purpose=vision`);
      for (const { id, bytes } of data)
        expect((await api.bytes(`${PATH}/${id}/content`)).length, id).toBe(bytes);
    },
    async clear(api) {
      ledger.forgetDeleted();
      for (const id of ledger.ids.slice(0, -KEPT)) await remove(api, id);
    },
  };
}
