/** The way of a model into the store: ask the source, check the space, fetch each file, name them. */

import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { CapacityError, FormatError } from '@steelyard/core';
import { abortedError, formatSize, freeBytes } from './failures.ts';
import { fetchFile, type FetchTools } from './fetch-file.ts';
import { HttpClient } from './http/client.ts';
import { formatSource, parseSource } from './parse-source.ts';
import { ProgressMeter } from './progress-meter.ts';
import type { PullOptions } from './pull-options.ts';
import type { PlannedFile, PullContext, PullPlan } from './pull-plan.ts';
import { planSource } from './sources/plan-source.ts';
import { commitModel } from './store/commit-model.ts';
import { hasBlob, sizeOf } from './store/blobs.ts';
import { keyOf, StoreLayout } from './store/layout.ts';
import { isAlive, withLock } from './store/lock.ts';
import { checkRelativePath, toModelName } from './store/safe-path.ts';
import type { StoredFile, StoredModel } from './stored-model.ts';

/** How often files that another process removed meanwhile are fetched again. */
const COMMIT_TRIES = 3;

/**
 * Brings a model into the store, or finds that it is there: files whose promised hash is stored are not fetched.
 * Whatever stops it (signal, full disk, lost network, the process killed) leaves the store as it was, and what has
 * come for the next try.
 * @param source as `parseSource` reads it
 * @throws RequestError, NotFoundError, NetworkError, CapacityError, FormatError; code `aborted` after the signal
 * @example
 * const model = await pull('hf:owner/repo:Q4_K_M', { store: openStore() });
 */
export async function pull(source: string, options: PullOptions): Promise<StoredModel> {
  const parsed = parseSource(source);
  const text = formatSource(parsed);
  const layout = new StoreLayout(options.store.root);
  await makeFolders(layout);
  const asked = new Date().toISOString();
  const waited = { signal: options.signal, onWait: (pid: number) => options.onNotice?.(waiting(pid, text)) };
  return withLock(layout.lock(`pull-${keyOf(text)}`), waited, async () => {
    const made = await madeMeanwhile(options, text, asked);
    if (made) return made;
    const context = await openContext(layout, options);
    const client = new HttpClient(context.env);
    try {
      options.onProgress?.({ phase: 'resolve', file: '', receivedBytes: 0, fileIndex: 0, fileCount: 0 });
      const plan = await planSource(parsed, context, client);
      return await carryOut(plan, text, context, client);
    } catch (error) {
      throw options.signal?.aborted ? abortedError() : error;
    } finally {
      for (const cleanup of context.cleanups) cleanup();
      await client.close();
      await rm(context.temporary, { recursive: true, force: true });
    }
  });
}

function waiting(pid: number, source: string): string {
  return `process ${pid} is pulling ${source} already; waiting for it`;
}

/** What another process finished while this one waited for it is what this one was asked for. */
async function madeMeanwhile(
  options: PullOptions,
  source: string,
  asked: string,
): Promise<StoredModel | undefined> {
  const models = await options.store.list();
  return models.find(
    (model) =>
      model.source === source &&
      model.pulledAt >= asked &&
      (options.name === undefined || options.name === model.name),
  );
}

async function carryOut(
  plan: PullPlan,
  source: string,
  context: PullContext,
  client: HttpClient,
): Promise<StoredModel> {
  for (const file of plan.files) checkRelativePath(file.path, source);
  checkDistinct(plan.files, source);
  await checkSpace(plan.files, context);
  const meter = new ProgressMeter(plan.files, context.options.onProgress);
  const tools: FetchTools = { client, context, meter };
  const { name } = context.options;
  for (let tries = 1; ; tries++) {
    const files: StoredFile[] = [];
    for (const [index, file] of plan.files.entries()) files.push(await fetchFile(file, index, tools));
    const result = await commitModel(
      context.layout,
      {
        name: toModelName(name ?? plan.name),
        fixed: name !== undefined,
        source,
        files,
        open: plan.open,
        license: plan.license,
        metadata: plan.metadata,
      },
      context.signal,
    );
    if (!(result instanceof Array)) {
      meter.done();
      return result;
    }
    if (tries === COMMIT_TRIES) {
      throw new FormatError(
        `${source}: its files are removed while they come; stop the other process and pull again`,
      );
    }
  }
}

/** Two names that some file systems hold for one would hide a file behind another. */
function checkDistinct(files: readonly PlannedFile[], source: string): void {
  const seen = new Set<string>();
  for (const { path } of files) {
    const key = path.normalize('NFC').toLowerCase();
    if (seen.has(key))
      throw new FormatError(`${source}: holds '${path}' twice (names that differ in case only count)`);
    seen.add(key);
  }
}

/** @throws CapacityError with the numbers, before anything is fetched */
async function checkSpace(files: readonly PlannedFile[], context: PullContext): Promise<void> {
  let need = 0;
  for (const file of files) need += await missingBytes(file, context.layout);
  const free = await freeBytes(context.layout.root);
  if (free === undefined || need <= free) return;
  throw new CapacityError(
    `the model needs ${formatSize(need)} more, but the disk of ${context.layout.root} has ${formatSize(free)} free; ` +
      'free some space (steelyard list, steelyard rm), or set STEELYARD_HOME to another disk',
  );
}

async function missingBytes(file: PlannedFile, layout: StoreLayout): Promise<number> {
  if (file.size === undefined || (file.origin.kind === 'local' && file.origin.link)) return 0;
  if (file.sha256 !== undefined && (await hasBlob(layout, file.sha256, file.size))) return 0;
  const { origin } = file;
  const partial = origin.kind === 'http' ? await sizeOf(layout.partial(keyOf(file.sha256 ?? origin.url))) : 0;
  return Math.max(file.size - (partial ?? 0), 0);
}

async function makeFolders(layout: StoreLayout): Promise<void> {
  for (const folder of [
    layout.manifests,
    layout.models,
    layout.blobs,
    layout.partials,
    layout.locks,
    layout.temporary,
  ]) {
    await mkdir(folder, { recursive: true });
  }
}

async function openContext(layout: StoreLayout, options: PullOptions): Promise<PullContext> {
  await removeLeftovers(layout);
  const temporary = join(layout.temporary, `${hostname()}+${process.pid}+${randomBytes(4).toString('hex')}`);
  await mkdir(temporary);
  return {
    layout,
    options,
    env: options.env ?? process.env,
    signal: options.signal,
    temporary,
    cleanups: [],
    notice: (text) => options.onNotice?.(text),
  };
}

/** Temporary folders of processes of this machine that were killed. */
async function removeLeftovers(layout: StoreLayout): Promise<void> {
  for (const entry of await readdir(layout.temporary)) {
    const [host, pid] = entry.split('+');
    if (host !== hostname() || isAlive(Number(pid))) continue;
    await rm(join(layout.temporary, entry), { recursive: true, force: true }).catch(() => undefined);
  }
}
