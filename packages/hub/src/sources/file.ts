/** `file:` sources: a GGUF (with the other parts of a split one), or a folder of safetensors, of this machine. */

import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { NotFoundError, RequestError } from '@steelyard/core';
import { isErrorCode } from '../failures.ts';
import type { PlannedFile, PullContext, PullPlan } from '../pull-plan.ts';
import type { FileSource } from '../pull-source.ts';
import { chooseModelFiles, type NamedFile } from './model-files.ts';

export async function planFile(source: FileSource, context: PullContext): Promise<PullPlan> {
  const { path } = source;
  if (context.layout.root === path || path.startsWith(join(context.layout.root, '/'))) {
    throw new RequestError(`file:${path}: lies in the store itself; see steelyard list`, 'source');
  }
  const isFolder = await checkKind(path);
  const folder = isFolder ? path : dirname(path);
  const here = await filesOf(folder);
  // A GGUF is complete; what else lies in its folder, licences too, is of other things.
  const relevant =
    isFolder || !/\.gguf$/i.test(path) ? here : here.filter((file) => /\.gguf$/i.test(file.path));
  const chosen = chooseModelFiles(relevant, isFolder ? undefined : basename(path), `file:${path}`);
  const link = context.options.link === true;
  const files = chosen.files.map(async ({ file, path: name }): Promise<PlannedFile> => {
    const real = await realpath(join(folder, ...file.path.split('/')));
    return { path: name, size: (await stat(real)).size, origin: { kind: 'local', path: real, link } };
  });
  return { name: chosen.name ?? basename(folder), files: await Promise.all(files), open: chosen.open };
}

async function checkKind(path: string): Promise<boolean> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) return true;
    if (found.isFile()) return false;
  } catch (error) {
    if (!isErrorCode(error, 'ENOENT', 'ENOTDIR')) throw error;
    throw new NotFoundError(`file:${path}: nothing is there; check the path`, { cause: error });
  }
  throw new RequestError(
    `file:${path}: is neither a file nor a folder; expected a .gguf file or a folder`,
    'source',
  );
}

async function filesOf(folder: string): Promise<NamedFile[]> {
  const files: NamedFile[] = [];
  for (const entry of await readdir(folder)) {
    const found = await stat(join(folder, entry)).catch(() => undefined);
    if (found?.isFile()) files.push({ path: entry, size: found.size });
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}
