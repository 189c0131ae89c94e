/** Which names of a repository, package or folder belong to a model, and which of them make the one that is wanted. */

import { posix } from 'node:path';
import { NotFoundError, RequestError } from '@steelyard/core';
import { formatSize } from '../failures.ts';

export interface NamedFile {
  readonly path: string;
  readonly size?: number | undefined;
}

/** The files of one model: where each is at the source, and its name in the model's folder. */
export interface ChosenFiles<T extends NamedFile> {
  readonly files: readonly { readonly file: T; readonly path: string }[];
  /** As `PullPlan.open`. */
  readonly open: string;
  /** Name of the GGUF without ending and shard number; absent for a folder of safetensors. */
  readonly name: string | undefined;
}

const SHARD = /-(\d{5})-of-(\d{5})(?=\.(?:gguf|safetensors)$)/i;
const QUANTISATION =
  /(?:^|[-._])((?:UD-)?(?:I?Q\d(?:_[A-Z0-9]+)*|T?Q\d_\d|TQ\d_\d|MXFP4(?:_MOE)?|NVFP4|BF16|F16|F32|FP16|FP32))(?=$|[-._])/gi;
const LICENSE = /^(?:[\w-]*[-_])?(?:licen[sc]e|copying|notice|terms|use[-_]policy)(?:[-_.][\w.-]*)?$/i;
const NEVER = /\.(?:py|js|ts|c|so|dll|exe|sh|bat)$/i;
/** Read beside safetensors; a GGUF carries all of this inside. */
const COMPANION =
  /\.json$|\.jinja$|^(?:tokenizer|spiece|sentencepiece(?:\.bpe)?)\.model$|^(?:merges|vocab)\.txt$/i;
/** Folders beside safetensors that say how to use them: templates, and the steps of sentence-transformers. */
const KEPT_FOLDER = /^additional_chat_templates$|^\d+_[A-Z]\w*$/;
const NOT_COMPANION =
  /^(?:package(?:-lock)?|npm-shrinkwrap|tsconfig)\.json$|^(?!model\.).*\.safetensors\.index\.json$/i;

export function isWeights(path: string): boolean {
  return /\.(?:gguf|safetensors)$/i.test(path);
}

export function isLicense(path: string): boolean {
  const name = posix.basename(path);
  return LICENSE.test(name) && !NEVER.test(name);
}

/** Whether a package's entry may be part of a model at all; programs never are. */
export function isModelFile(path: string): boolean {
  const name = posix.basename(path);
  return isWeights(name) || isLicense(name) || (COMPANION.test(name) && !NOT_COMPANION.test(name));
}

/**
 * Chooses the files of one model.
 * @param select a file, or a quantisation in any case
 * @param source for messages
 * @throws NotFoundError when nothing fits, RequestError when several do; both list what is there
 */
export function chooseModelFiles<T extends NamedFile>(
  all: readonly T[],
  select: string | undefined,
  source: string,
): ChosenFiles<T> {
  const weights = all.filter((file) => isWeights(file.path));
  if (weights.length === 0) {
    const some = all.slice(0, 12).map((file) => file.path);
    throw new NotFoundError(
      `${source}: no .gguf or .safetensors file; it holds ${some.join(', ') || 'nothing'}` +
        `${all.length > some.length ? `, and ${all.length - some.length} more` : ''}; choose a source with weights`,
    );
  }
  const safetensors = weights.filter((file) => /\.safetensors$/i.test(file.path));
  if (select === undefined && safetensors.length) return folder(all, mainSafetensors(safetensors));
  const groups = groupShards(weights.filter((file) => /\.gguf$/i.test(file.path)));
  if (select === undefined) {
    const models = groups.filter((group) => !isProjector(group.name));
    if (models.length === 1 && models[0]) return single(all, models[0]);
    throw new RequestError(
      `${source}: holds several models; name one of these files or quantisations:\n${listing(groups)}`,
    );
  }
  const named = safetensors.find((file) => matchesFile(file.path, select));
  if (named) return folder(all, shardsOf(named, safetensors));
  return single(all, selectGroup(groups, select, source));
}

interface Group<T> {
  readonly name: string;
  readonly files: readonly T[];
}

function groupShards<T extends NamedFile>(files: readonly T[]): Group<T>[] {
  const groups = new Map<string, T[]>();
  for (const file of files) {
    const key = file.path.replace(SHARD, '');
    groups.set(key, [...(groups.get(key) ?? []), file]);
  }
  return [...groups].map(([name, shards]) => ({
    name,
    files: [...shards].sort((a, b) => (a.path < b.path ? -1 : 1)),
  }));
}

function selectGroup<T extends NamedFile>(
  groups: readonly Group<T>[],
  select: string,
  source: string,
): Group<T> {
  const wanted = select.toLowerCase();
  const models = groups.filter((group) => !isProjector(group.name));
  const rules: ((group: Group<T>) => boolean)[] = [
    (group) => group.files.some((file) => matchesFile(file.path, select)) || matchesFile(group.name, select),
    (group) => models.includes(group) && quantisationOf(group.name)?.toLowerCase() === wanted,
    (group) => models.includes(group) && stem(group.name).toLowerCase().endsWith(wanted),
  ];
  for (const rule of rules) {
    const found = groups.filter(rule);
    if (found.length === 1 && found[0]) return found[0];
    if (found.length > 1) {
      throw new RequestError(
        `${source}: '${select}' fits several; name one of these files:\n${listing(found)}`,
      );
    }
  }
  throw new NotFoundError(`${source}: no file or quantisation '${select}'; there are:\n${listing(groups)}`);
}

/** The last mark of quantisation in a file's name: `model-Q4_K_M.gguf` gives `Q4_K_M`. */
export function quantisationOf(path: string): string | undefined {
  return [...stem(path).matchAll(QUANTISATION)].at(-1)?.[1];
}

function stem(path: string): string {
  return posix.basename(path).replace(/\.(?:gguf|safetensors)$/i, '');
}

function matchesFile(path: string, select: string): boolean {
  const wanted = select.toLowerCase();
  return path.toLowerCase() === wanted || posix.basename(path).toLowerCase() === wanted;
}

/** Image encoders lie beside the models that use them. */
function isProjector(path: string): boolean {
  return /^mmproj|[-_.]mmproj/i.test(posix.basename(path));
}

function listing<T extends NamedFile>(groups: readonly Group<T>[]): string {
  return groups
    .map((group) => {
      const bytes = group.files.reduce<number | undefined>(
        (sum, file) => (sum === undefined || file.size === undefined ? undefined : sum + file.size),
        0,
      );
      const mark = quantisationOf(group.name);
      return `  ${mark ? `${mark}  ` : ''}${group.name}${bytes === undefined ? '' : `  ${formatSize(bytes)}`}`;
    })
    .sort()
    .join('\n');
}

function single<T extends NamedFile>(all: readonly T[], group: Group<T>): ChosenFiles<T> {
  const first = group.files[0];
  const declared = Number(SHARD.exec(first?.path ?? '')?.[2] ?? 1);
  if (!first || group.files.length !== declared) {
    throw new NotFoundError(
      `${group.name}: ${group.files.length} of ${declared} parts are there; expected all`,
    );
  }
  const files = group.files.map((file) => ({ file, path: posix.basename(file.path) }));
  return {
    files: [...files, ...licenses(all, files)],
    open: posix.basename(first.path),
    name: stem(group.name),
  };
}

function folder<T extends NamedFile>(all: readonly T[], weights: readonly T[]): ChosenFiles<T> {
  const root = posix.dirname(weights[0]?.path ?? '');
  const files = weights.map((file) => ({ file, path: posix.basename(file.path) }));
  for (const file of all) {
    const name = posix.basename(file.path);
    const parent = posix.dirname(file.path);
    if (!COMPANION.test(name) || NOT_COMPANION.test(name)) continue;
    if (parent === root) files.push({ file, path: name });
    else if (posix.dirname(parent) === root && KEPT_FOLDER.test(posix.basename(parent))) {
      files.push({ file, path: `${posix.basename(parent)}/${name}` });
    }
  }
  return { files: [...files, ...licenses(all, files)], open: '.', name: undefined };
}

/** Licences count wherever they lie; of equal names the first stays. */
function licenses<T extends NamedFile>(
  all: readonly T[],
  chosen: readonly { path: string }[],
): { file: T; path: string }[] {
  const taken = new Set(chosen.map(({ path }) => path.toLowerCase()));
  const found: { file: T; path: string }[] = [];
  for (const file of all) {
    const path = posix.basename(file.path);
    if (!isLicense(file.path) || taken.has(path.toLowerCase())) continue;
    taken.add(path.toLowerCase());
    found.push({ file, path });
  }
  return found;
}

/** Repositories keep the same weights twice (`consolidated`), or adapters beside them; `model…` is the model. */
function mainSafetensors<T extends NamedFile>(files: readonly T[]): T[] {
  const depth = Math.min(...files.map((file) => file.path.split('/').length));
  const shallow = files.filter((file) => file.path.split('/').length === depth);
  const root = posix.dirname(shallow[0]?.path ?? '');
  const here = shallow.filter((file) => posix.dirname(file.path) === root);
  const whole = here.filter((file) => posix.basename(file.path).toLowerCase() === 'model.safetensors');
  const shards = here.filter((file) =>
    /^model-\d{5}-of-\d{5}\.safetensors$/i.test(posix.basename(file.path)),
  );
  if (whole.length) return whole;
  if (shards.length) return checkShards(shards);
  const others = here.filter((file) => !/^(?:consolidated|adapter)/i.test(posix.basename(file.path)));
  return others.length ? others : here;
}

function shardsOf<T extends NamedFile>(named: T, files: readonly T[]): T[] {
  if (!SHARD.test(named.path)) return [named];
  const key = named.path.replace(SHARD, '');
  return checkShards(files.filter((file) => file.path.replace(SHARD, '') === key));
}

function checkShards<T extends NamedFile>(shards: readonly T[]): T[] {
  const declared = Number(SHARD.exec(shards[0]?.path ?? '')?.[2]);
  if (shards.length === declared) return [...shards];
  throw new NotFoundError(
    `${shards[0]?.path}: ${shards.length} of ${declared} parts are there; expected all; pull a complete source`,
  );
}
