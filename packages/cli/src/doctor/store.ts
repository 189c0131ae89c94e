/** Checks of the store: its place, the disk below it, and the default model. */

import { accessSync, constants, existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ModelStore } from '../services.ts';
import { formatBytes } from '../terminal/format.ts';
import { fail, ok, warn, type Check } from './check.ts';

/** Less free disk than this holds hardly a model. */
const LOW_DISK = 2e9;

export async function checkStore(store: ModelStore): Promise<Check> {
  // The folder is made by the first pull; until then what counts is the nearest folder above it.
  let place = store.root;
  while (!existsSync(place) && dirname(place) !== place) place = dirname(place);
  try {
    accessSync(place, constants.W_OK);
  } catch {
    return fail(
      'store',
      `${store.root} cannot be written`,
      `make ${place} writable, or set STEELYARD_HOME to another folder`,
    );
  }
  const { bavail, bsize } = await statfs(place);
  const free = bavail * bsize;
  const found = `${store.root}, ${formatBytes(free)} free`;
  return free >= LOW_DISK
    ? ok('store', found)
    : warn('store', found, 'free some disk; to remove models: steelyard rm NAME');
}

export async function checkDefaultModel(store: ModelStore): Promise<Check> {
  const { name } = store.defaultModel;
  const model = await store.find(name);
  return model
    ? ok('default model', `${name}, ${formatBytes(model.bytes)}`)
    : warn('default model', `${name} is not here yet`, 'steelyard pull');
}
