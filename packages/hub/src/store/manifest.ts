/** The file that makes a model exist: written last, read with suspicion. */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FormatError } from '@steelyard/core';
import { isErrorCode } from '../failures.ts';
import type { StoredFile, StoredModel } from '../stored-model.ts';
import { writeFileAtomic } from './atomic-file.ts';
import type { StoreLayout } from './layout.ts';
import { checkRelativePath } from './safe-path.ts';

const VERSION = 1;

/** What a manifest file holds; `open` is the file to open within the folder, or `.` for the folder itself. */
export interface Manifest extends Omit<StoredModel, 'path' | 'bytes' | 'digest'> {
  readonly open: string;
}

export async function writeManifest(layout: StoreLayout, manifest: Manifest): Promise<void> {
  const text = `${JSON.stringify({ version: VERSION, ...manifest }, undefined, 2)}\n`;
  await writeFileAtomic(layout.manifest(manifest.name), text);
}

/**
 * @returns undefined when there is none
 * @throws FormatError when it is damaged
 */
export async function readManifest(layout: StoreLayout, name: string): Promise<Manifest | undefined> {
  const path = layout.manifest(name);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    return parseManifest(JSON.parse(text), name, path);
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw new FormatError(`${path}: not JSON; remove the file and pull the model again`, { cause: error });
  }
}

/** SHA-256 over the sorted lines `sha256  path`: the same whatever order the files came in. */
export function digestOf(files: readonly StoredFile[]): string {
  const lines = files.map((file) => `${file.sha256}  ${file.path}\n`).sort();
  return createHash('sha256').update(lines.join('')).digest('hex');
}

/** The folder of one state of a model; a later pull of other bytes gets another, so open files stay valid. */
export function folderOf(layout: StoreLayout, manifest: Pick<Manifest, 'name' | 'files'>): string {
  return join(layout.model(manifest.name), digestOf(manifest.files).slice(0, 12));
}

export function toStoredModel(layout: StoreLayout, manifest: Manifest): StoredModel {
  const { open, ...rest } = manifest;
  return {
    ...rest,
    path: join(folderOf(layout, manifest), ...open.split('/')),
    bytes: manifest.files.reduce((sum, file) => sum + file.size, 0),
    digest: digestOf(manifest.files),
  };
}

function parseManifest(value: unknown, name: string, path: string): Manifest {
  const damaged = (field: string, expected: string): FormatError =>
    new FormatError(`${path}: ${field} is not ${expected}; remove the file and pull the model again`);
  if (typeof value !== 'object' || value === null) throw damaged('the content', 'an object');
  const fields = value as Record<string, unknown>;
  if (fields['version'] !== VERSION) throw damaged('version', `${VERSION}`);
  const text = (field: string): string => {
    const found = fields[field];
    if (typeof found !== 'string' || found === '') throw damaged(field, 'a text');
    return found;
  };
  if (text('name') !== name) throw damaged('name', `'${name}'`);
  const files = fields['files'];
  if (!Array.isArray(files) || !files.every(isStoredFile))
    throw damaged('files', 'a list of path, size, sha256');
  for (const file of files) checkRelativePath(file.path, path);
  const open = text('open');
  if (open !== '.') checkRelativePath(open, path);
  return {
    name,
    source: text('source'),
    pulledAt: text('pulledAt'),
    open,
    files,
    ...(typeof fields['license'] === 'string' ? { license: fields['license'] } : {}),
    ...(isTexts(fields['metadata']) ? { metadata: fields['metadata'] } : {}),
  };
}

function isStoredFile(value: unknown): value is StoredFile {
  if (typeof value !== 'object' || value === null) return false;
  const { path, size, sha256 } = value as Partial<Record<keyof StoredFile, unknown>>;
  return (
    typeof path === 'string' &&
    Number.isSafeInteger(size) &&
    (size as number) >= 0 &&
    typeof sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(sha256)
  );
}

function isTexts(value: unknown): value is Record<string, string> {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((item) => typeof item === 'string')
  );
}
