/** Uploads: parts that were acknowledged make the file, however often the server was killed between them. */

import { expect } from 'vitest';
import type { FileList } from '../../../src/schemas/files.ts';
import type { UploadObject, UploadPart } from '../../../src/schemas/uploads.ts';
import type { Api } from '../api.ts';
import type { Kind } from '../kind.ts';
import { sha256, someBytes } from './files.ts';

const PATH = '/v1/uploads';
const PARTS = 3;
const PART_BYTES = 50_000;

interface Begun {
  readonly id: string;
  readonly filename: string;
  readonly contents: readonly Uint8Array<ArrayBuffer>[];
  /** Ids of the parts acknowledged. */
  readonly parts: string[];
  /** The completion was asked for, so it may have happened. */
  completing?: boolean;
}

export function uploads(): Kind {
  let acknowledged = 0;
  let serial = 0;
  const pending = new Set<Begun>();

  async function goOn(api: Api, upload: Begun): Promise<void> {
    const { id, contents, parts } = upload;
    for (const content of contents.slice(parts.length)) {
      const data = new File([content], 'part');
      parts.push((await api.form<UploadPart>(`${PATH}/${id}/parts`, { data })).id);
      acknowledged++;
    }
    upload.completing = true;
    const done = await api.post<UploadObject>(`${PATH}/${id}/complete`, { part_ids: parts });
    acknowledged++;
    await compare(api, done.file!.id, upload);
    pending.delete(upload);
  }

  async function compare(api: Api, file: string, { contents, filename }: Begun): Promise<void> {
    expect(sha256(await api.bytes(`/v1/files/${file}/content`)), filename).toBe(
      sha256(Buffer.concat(contents)),
    );
  }

  return {
    name: 'uploads',
    acknowledged: () => acknowledged,
    async write(api, random) {
      const contents = Array.from({ length: PARTS }, () => someBytes(random, PART_BYTES));
      const filename = `in-parts-${serial++}.jsonl`;
      const bytes = contents.reduce((sum, { length }) => sum + length, 0);
      const announced = { filename, purpose: 'user_data', bytes, mime_type: 'application/jsonl' };
      const { id } = await api.post<UploadObject>(PATH, announced);
      acknowledged++;
      const upload: Begun = { id, filename, contents, parts: [] };
      pending.add(upload);
      await goOn(api, upload);
    },
    async check(api) {
      const { data } = await api.get<FileList>('/v1/files?purpose=user_data&limit=10000');
      for (const upload of [...pending]) {
        const made = data.filter(({ filename }) => filename === upload.filename);
        expect(made.length, `${upload.filename} was made once at most`).toBeLessThan(2);
        if (made[0]) {
          expect(upload.completing, `${upload.filename} was asked for`).toBe(true);
          await compare(api, made[0].id, upload);
          pending.delete(upload);
        } else await goOn(api, upload);
      }
    },
    async clear(api) {
      const { data } = await api.get<FileList>('/v1/files?purpose=user_data&limit=10000');
      for (const { id } of data) await api.remove(`/v1/files/${id}`);
    },
    async end() {
      expect(pending.size).toBe(0);
      await Promise.resolve();
    },
  };
}
