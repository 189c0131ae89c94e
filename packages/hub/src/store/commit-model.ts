/** The last step of a pull: names, links and the manifest, in that order, under the store's lock. */

import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { RequestError } from '@steelyard/core';
import type { StoredFile, StoredModel } from '../stored-model.ts';
import { hasBlob, placeBlob } from './blobs.ts';
import type { StoreLayout } from './layout.ts';
import { withLock } from './lock.ts';
import { digestOf, folderOf, readManifest, toStoredModel, writeManifest, type Manifest } from './manifest.ts';

export interface NewModel {
  /** Wanted name; `fixed` when the user chose it. */
  readonly name: string;
  readonly fixed: boolean;
  readonly source: string;
  readonly files: readonly StoredFile[];
  readonly open: string;
  readonly license?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/**
 * Makes a model exist whose blobs are there.
 * @returns the model, or the files whose blobs another process has removed meanwhile
 * @throws RequestError when the chosen name belongs to another source
 */
export async function commitModel(
  layout: StoreLayout,
  model: NewModel,
  signal?: AbortSignal,
): Promise<StoredModel | readonly StoredFile[]> {
  return withLock(layout.lock('store'), { signal }, async () => {
    const missing: StoredFile[] = [];
    for (const file of model.files) {
      if (!(await hasBlob(layout, file.sha256, file.size))) missing.push(file);
    }
    if (missing.length) return missing;
    const name = await freeName(layout, model);
    const manifest: Manifest = {
      name,
      source: model.source,
      pulledAt: new Date().toISOString(),
      open: model.open,
      files: model.files,
      ...(model.license === undefined ? {} : { license: model.license }),
      ...(model.metadata === undefined ? {} : { metadata: model.metadata }),
    };
    const folder = folderOf(layout, manifest);
    await mkdir(folder, { recursive: true });
    for (const file of model.files)
      await placeBlob(layout, file.sha256, join(folder, ...file.path.split('/')));
    await writeManifest(layout, manifest);
    await removeOlder(layout, name, digestOf(model.files).slice(0, 12));
    return toStoredModel(layout, manifest);
  });
}

async function freeName(layout: StoreLayout, { name, fixed, source }: NewModel): Promise<string> {
  for (let count = 1; ; count++) {
    const candidate = count === 1 ? name : `${name}-${count}`;
    const existing = await readManifest(layout, candidate).catch(() => undefined);
    if (existing === undefined || existing.source === source) return candidate;
    if (fixed) {
      throw new RequestError(
        `the name '${name}' belongs to ${existing.source}; choose another, or remove it first: steelyard rm ${name}`,
        'name',
      );
    }
  }
}

/** Folders of earlier states; where a reader still has them open (Windows) they stay until the next pull. */
async function removeOlder(layout: StoreLayout, name: string, current: string): Promise<void> {
  for (const folder of await readdir(layout.model(name))) {
    if (folder !== current) {
      await rm(join(layout.model(name), folder), { recursive: true, force: true }).catch(() => undefined);
    }
  }
}
