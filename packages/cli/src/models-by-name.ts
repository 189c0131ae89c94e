/** From what a person typed to a file on disk: a stored name, a path, a source to pull, or nothing for the default. */

import { existsSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { NotFoundError } from '@steelyard/core';
import type { EmbeddingModel, LanguageModel } from '@steelyard/engine';
import type { CommandContext } from './context.ts';
import type { PullProgress, StoredModel } from '@steelyard/hub';
import type { EmbeddingModelOptions, ModelOptions, ModelStore, PullOptions } from './services.ts';
import { formatBytes, formatDuration } from './terminal/format.ts';
import { ProgressBar } from './terminal/progress-bar.ts';
import { sanitiseLine } from './terminal/sanitise.ts';

export interface FoundModel {
  readonly name: string;
  readonly path: string;
  /** Absent when the file is not of the store. */
  readonly installed: StoredModel | undefined;
}

/**
 * @throws NotFoundError naming what is there instead
 * @throws NetworkError and others of the hub when it must be pulled and cannot
 */
export async function findModel(name: string | undefined, context: CommandContext): Promise<FoundModel> {
  const path =
    name === undefined ? '' : resolve(name.startsWith('~/') ? join(homedir(), name.slice(2)) : name);
  // Without the store, which takes time to load.
  if (name !== undefined && looksLikePath(name) && existsSync(path)) return ofPath(path);
  const store = await context.services.openStore();
  if (name === undefined) return found(await findDefault(store, context));
  const installed = looksLikePath(name) ? undefined : await store.find(name);
  if (installed) return found(installed);
  if (existsSync(path)) return ofPath(path);
  if (/^[a-z][a-z0-9+.-]*:/.test(name)) {
    return found(await pullWithProgress(context, (options) => store.pull(name, options)));
  }
  throw await unknownModel(name, store);
}

/** Finds and loads a model that answers; notices and loading time go to stderr. */
export function openModel(
  name: string | undefined,
  options: ModelOptions,
  context: CommandContext,
): Promise<LanguageModel> {
  return loadByName(name, context, (path, common) =>
    context.services.openLanguageModel(path, { ...common, ...options }),
  );
}

/** The same for a model that makes vectors of texts. */
export function openEmbeddingModel(
  name: string,
  options: EmbeddingModelOptions,
  context: CommandContext,
): Promise<EmbeddingModel> {
  return loadByName(name, context, (path, common) =>
    context.services.openEmbeddingModel(path, { ...common, ...options }),
  );
}

async function loadByName<T>(
  name: string | undefined,
  context: CommandContext,
  load: (path: string, common: ModelOptions) => Promise<T>,
): Promise<T> {
  return loadFound(await findModel(name, context), context, load);
}

/** Loads it, telling on stderr what it takes and what there is to know. */
export async function loadFound<T>(
  model: FoundModel,
  context: CommandContext,
  load: (path: string, common: ModelOptions) => Promise<T>,
): Promise<T> {
  const start = performance.now();
  const showsProgress = context.stderr.isTTY === true;
  if (showsProgress) context.stderr.write(context.errorStyle.dim(`loading ${model.name} …`));
  try {
    const loaded = await load(model.path, {
      name: model.name,
      ...(model.installed && { digest: model.installed.digest }),
      onNotice: (text) => {
        if (showsProgress) context.stderr.write('\r\u001b[K');
        context.note(`${context.errorStyle.yellow('note:')} ${text}`);
      },
    });
    if (context.env['STEELYARD_DEBUG'])
      context.note(`loaded in ${formatDuration(performance.now() - start)}`);
    return loaded;
  } finally {
    if (showsProgress) context.stderr.write('\r\u001b[K');
  }
}

/** Runs a pull with a progress bar on stderr; Ctrl-C stops it, and what came stays for the next try. */
export async function pullWithProgress(
  context: CommandContext,
  pull: (options: PullOptions) => Promise<StoredModel>,
): Promise<StoredModel> {
  const bar = new ProgressBar(context.stderr, context.errorStyle);
  const stop = new AbortController();
  const release = context.onInterrupt(() => stop.abort());
  const start = performance.now();
  let seen = 0;
  try {
    const model = await pull({
      signal: stop.signal,
      onProgress: (progress) => {
        seen = Math.max(seen, progress.receivedBytes);
        bar.update(progressLabel(progress), progress.receivedBytes, progress.totalBytes);
      },
      onNotice: (text) => {
        bar.clear();
        context.note(context.errorStyle.dim(text));
      },
    });
    bar.clear();
    const how = seen > 0 ? ` in ${formatDuration(performance.now() - start)}` : ' (already here)';
    context.note(`${context.errorStyle.green('pulled')} ${model.name}, ${formatBytes(model.bytes)}${how}`);
    return model;
  } finally {
    bar.clear();
    release();
  }
}

function progressLabel({ phase, file, fileIndex, fileCount }: PullProgress): string {
  if (phase === 'resolve') return 'asking the source';
  const name = sanitiseLine(file.slice(file.lastIndexOf('/') + 1)) || phase;
  return fileCount > 1 ? `${Math.min(fileIndex + 1, fileCount)}/${fileCount} ${name}` : name;
}

async function findDefault(store: ModelStore, context: CommandContext): Promise<StoredModel> {
  const { defaultModel } = store;
  const installed = await store.find(defaultModel.name);
  if (installed) return installed;
  context.note(`pulling the default model, ${defaultModel.name}`);
  return pullWithProgress(context, (options) => defaultModel.pull(options));
}

function found(installed: StoredModel): FoundModel {
  return { name: installed.name, path: installed.path, installed };
}

function looksLikePath(name: string): boolean {
  return /^(\.{1,2}|~)?[/\\]/.test(name);
}

function ofPath(path: string): FoundModel {
  const isFolder = statSync(path).isDirectory();
  const name = isFolder ? basename(path) : basename(path).replace(/\.(gguf|safetensors)$/i, '');
  return { name, path, installed: undefined };
}

async function unknownModel(name: string, store: ModelStore): Promise<NotFoundError> {
  const names = (await store.list()).map((model) => model.name);
  const near = names.filter((known) => known.toLowerCase().includes(name.toLowerCase()));
  if (near.length)
    return new NotFoundError(`no model '${name}'; did you mean ${near.join(' or ')}? See: steelyard list`);
  const isRepository = /^[\w.-]+\/[\w.-]+$/.test(name);
  const source = isRepository ? `hf:${name}` : 'hf:OWNER/REPOSITORY';
  const have = names.length ? `the store has ${names.join(', ')}` : 'the store is empty';
  return new NotFoundError(`no model or file '${name}'; ${have}; to get one: steelyard pull ${source}`);
}
