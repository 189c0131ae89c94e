/** The store on disk: looks up, removes and verifies. Putting models in is `commit-model.ts`. */

import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { FormatError, NotFoundError, RequestError } from '@steelyard/core';
import { isErrorCode } from '../failures.ts';
import type { Store, VerifyResult } from '../store-interface.ts';
import type { StoredModel } from '../stored-model.ts';
import { hashFile, sizeOf } from './blobs.ts';
import { commitModel } from './commit-model.ts';
import { COPY, findByName } from './find-by-name.ts';
import { StoreLayout } from './layout.ts';
import { withLock } from './lock.ts';
import { folderOf, readManifest, toStoredModel, type Manifest } from './manifest.ts';
import { toModelName } from './safe-path.ts';
import { defaultStoreRoot } from './store-root.ts';

/** What pulls that never finished have left is kept this long for a next try. */
const ORPHAN_DAYS = 7;

/** Opens a store; its folder is made by the first pull. @param root default as `defaultStoreRoot` */
export function openStore(root: string = defaultStoreRoot()): Store {
  return new DiskStore(resolve(root));
}

class DiskStore implements Store {
  readonly root: string;
  readonly #layout: StoreLayout;

  constructor(root: string) {
    this.root = root;
    this.#layout = new StoreLayout(root);
  }

  async list(): Promise<StoredModel[]> {
    const models = (await listManifests(this.#layout)).map((manifest) =>
      toStoredModel(this.#layout, manifest),
    );
    return models.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async find(name: string): Promise<StoredModel | undefined> {
    return findByName(await this.list(), name);
  }

  async remove(name: string): Promise<{ readonly freedBytes: number }> {
    const model = await this.#get(name);
    await mkdir(this.#layout.locks, { recursive: true });
    return withLock(this.#layout.lock('store'), {}, async () => {
      await rm(this.#layout.manifest(model.name), { force: true });
      await rm(this.#layout.model(model.name), { recursive: true, force: true });
      const names = new Set(model.files.map((file) => `sha256-${file.sha256}`));
      return { freedBytes: await this.#removeUnused(names) };
    });
  }

  async copy(name: string, to: string): Promise<StoredModel> {
    const model = await this.#get(name);
    if (toModelName(to) !== to) {
      throw new RequestError(
        `the name '${to.slice(0, 150)}' is not one for a model; expected letters, digits, '.', '_' and '-', such as '${toModelName(to)}'`,
        'name',
      );
    }
    const { files, license, metadata } = model;
    const open = relative(folderOf(this.#layout, model), model.path).split(sep).join('/') || '.';
    await mkdir(this.#layout.locks, { recursive: true });
    const source = `${COPY}${model.name}`;
    const made = await commitModel(this.#layout, {
      name: to,
      fixed: true,
      source,
      files,
      open,
      license,
      metadata,
    });
    if (!Array.isArray(made)) return made as StoredModel;
    throw new NotFoundError(`${model.name}: its files were removed meanwhile; pull it again`);
  }

  async verify(name: string, signal?: AbortSignal): Promise<VerifyResult> {
    const model = await this.#get(name);
    const folder = folderOf(this.#layout, model);
    const files: { path: string; expected: string; actual?: string }[] = [];
    for (const file of model.files) {
      const actual = await hashIfThere(join(folder, ...file.path.split('/')), signal);
      files.push({ path: file.path, expected: file.sha256, ...(actual === undefined ? {} : { actual }) });
    }
    return { ok: files.every((file) => file.actual === file.expected), files };
  }

  async #get(name: string): Promise<StoredModel> {
    const model = await this.find(name);
    if (model) return model;
    const names = (await this.list()).map((item) => item.name).join(', ');
    throw new NotFoundError(`no model '${name}' in ${this.root}; it has ${names || 'no models'}`);
  }

  /** Frees blobs that no manifest names any more: `released` at once, those of unfinished pulls after a while. */
  async #removeUnused(released: ReadonlySet<string>): Promise<number> {
    const manifests = await listManifests(this.#layout);
    const used = new Set(
      manifests.flatMap((manifest) => manifest.files.map((file) => `sha256-${file.sha256}`)),
    );
    let freed = 0;
    for (const blob of await filesIn(this.#layout.blobs)) {
      const path = join(this.#layout.blobs, blob);
      if (!used.has(blob) && (released.has(blob) || (await isOld(path)))) freed += await removeFile(path);
    }
    for (const partial of await filesIn(this.#layout.partials)) {
      const path = join(this.#layout.partials, partial);
      if (await isOld(path)) freed += await removeFile(path);
    }
    return freed;
  }
}

async function isOld(path: string): Promise<boolean> {
  return Date.now() - (await stat(path)).mtimeMs > ORPHAN_DAYS * 86_400_000;
}

async function removeFile(path: string): Promise<number> {
  const size = (await sizeOf(path)) ?? 0;
  await rm(path, { force: true });
  return size;
}

async function listManifests(layout: StoreLayout): Promise<Manifest[]> {
  const names = (await filesIn(layout.manifests)).filter((file) => file.endsWith('.json'));
  const manifests: Manifest[] = [];
  for (const file of names) {
    try {
      const manifest = await readManifest(layout, file.slice(0, -'.json'.length));
      if (manifest) manifests.push(manifest);
    } catch (error) {
      // One damaged manifest must not hide the other models; pulling its source again repairs it.
      if (!(error instanceof FormatError)) throw error;
    }
  }
  return manifests;
}

async function filesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isErrorCode(error, 'ENOENT')) return [];
    throw error;
  }
}

async function hashIfThere(path: string, signal: AbortSignal | undefined): Promise<string | undefined> {
  try {
    return await hashFile(path, { signal });
  } catch (error) {
    if (isErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
