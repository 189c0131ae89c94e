/** `hf:` repositories: pinned to a commit, listed by the tree API, each large file with its SHA-256. */

import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { FormatError, NotFoundError, RequestError } from '@steelyard/core';
import type { HttpClient } from '../http/client.ts';
import { getJson, isObject, textOf, type JsonObject } from '../http/get-json.ts';
import { isLoopback } from '../http/loopback.ts';
import { formatSource } from '../parse-source.ts';
import type { PlannedFile, PullContext, PullPlan } from '../pull-plan.ts';
import type { HubSource } from '../pull-source.ts';
import { chooseModelFiles } from './model-files.ts';

const DEFAULT_ENDPOINT = 'https://huggingface.co';
/** Pages of a listing; a page holds a thousand files. */
const MAX_PAGES = 50;

interface HubFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string | undefined;
  readonly gitSha1: string | undefined;
}

/** The hub's address: `HF_ENDPOINT`, or the public one. @throws RequestError for plain http beyond this machine */
export function hubEndpoint(env: PullContext['env']): string {
  const text = (env['HF_ENDPOINT'] || DEFAULT_ENDPOINT).replace(/\/+$/, '');
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname))) return text;
  throw new RequestError(`HF_ENDPOINT is '${text}'; expected an https address, or http on this machine`);
}

export async function planHub(
  source: HubSource,
  context: PullContext,
  client: HttpClient,
): Promise<PullPlan> {
  const endpoint = hubEndpoint(context.env);
  const token = await readToken(context.env);
  const headers = (): Promise<Record<string, string>> =>
    Promise.resolve<Record<string, string>>(token === undefined ? {} : { authorization: `Bearer ${token}` });
  const explain = (status: number): Error => refusal(status, source, endpoint, token !== undefined);
  const api = `${endpoint}/api/models/${source.repo}`;
  const get = (url: string): ReturnType<typeof getJson> => getJson(url, headers, explain, context, client);

  const { value: about } = await get(`${api}/revision/${encodeURIComponent(source.revision)}`);
  const commit = isObject(about) ? textOf(about['sha']) : undefined;
  if (!isObject(about) || !commit || !/^[0-9a-f]{40,64}$/.test(commit)) {
    throw new FormatError(`${api}: expected an object with a commit 'sha'; is HF_ENDPOINT a hub?`);
  }
  const all = await listFiles(`${api}/tree/${commit}?recursive=true`, get);
  const text = formatSource(source);
  const chosen = chooseModelFiles(all, source.select, text);
  const files = chosen.files.map(({ file, path }): PlannedFile => {
    const address = file.path.split('/').map(encodeURIComponent).join('/');
    return {
      path,
      size: file.size,
      ...(file.sha256 === undefined ? {} : { sha256: file.sha256 }),
      ...(file.gitSha1 === undefined ? {} : { gitSha1: file.gitSha1 }),
      origin: {
        kind: 'http',
        url: `${endpoint}/${source.repo}/resolve/${commit}/${address}`,
        headers,
        explain,
      },
    };
  });
  const license = licenseOf(about);
  return {
    name: chosen.name ?? source.repo.slice(source.repo.indexOf('/') + 1),
    files,
    open: chosen.open,
    ...(license === undefined ? {} : { license }),
    metadata: factsOf(about, commit),
  };
}

async function listFiles(
  first: string,
  get: (url: string) => Promise<{ value: unknown; headers: { get(name: string): string | null } }>,
): Promise<HubFile[]> {
  const files: HubFile[] = [];
  let url: string | undefined = first;
  for (let page = 0; url !== undefined && page < MAX_PAGES; page++) {
    const { value, headers } = await get(url);
    if (!Array.isArray(value)) throw new FormatError(`${url}: expected a list of files`);
    for (const item of value as unknown[]) {
      const file = hubFile(item, url);
      if (file) files.push(file);
    }
    const next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(headers.get('link') ?? '')?.[1];
    const nextUrl: URL | undefined = next === undefined ? undefined : new URL(next, url);
    // The token goes along, so pages of another host are not asked for.
    url = nextUrl && nextUrl.origin === new URL(url).origin ? nextUrl.href : undefined;
  }
  return files;
}

function hubFile(item: unknown, url: string): HubFile | undefined {
  if (!isObject(item) || item['type'] !== 'file') return undefined;
  const lfs = isObject(item['lfs']) ? item['lfs'] : undefined;
  const path = textOf(item['path']);
  const size = lfs?.['size'] ?? item['size'];
  if (path === undefined || !Number.isSafeInteger(size) || (size as number) < 0) {
    throw new FormatError(`${url}: a file without path or size; expected both`);
  }
  const sha256 = textOf(lfs?.['oid'])?.replace(/^sha256:/, '');
  if (lfs && !/^[0-9a-f]{64}$/.test(sha256 ?? '')) {
    throw new FormatError(`${url}: ${path} has no SHA-256 in 'lfs.oid'; expected 64 hex digits`);
  }
  const oid = textOf(item['oid']);
  const gitSha1 = !lfs && oid !== undefined && /^[0-9a-f]{40}$/.test(oid) ? oid : undefined;
  return { path, size: size as number, sha256, gitSha1 };
}

function licenseOf(about: JsonObject): string | undefined {
  const card = isObject(about['cardData']) ? about['cardData'] : {};
  const named = textOf(card['license_name']) ?? textOf(card['license']);
  if (named !== undefined) return named;
  const tags = Array.isArray(about['tags']) ? (about['tags'] as unknown[]) : [];
  const tag = tags.find((item) => typeof item === 'string' && item.startsWith('license:'));
  return textOf(tag)?.slice('license:'.length);
}

function factsOf(about: JsonObject, commit: string): Record<string, string> {
  const card = isObject(about['cardData']) ? about['cardData'] : {};
  const base: unknown = Array.isArray(card['base_model'])
    ? (card['base_model'] as unknown[])[0]
    : card['base_model'];
  const baseModel = textOf(base);
  return { revision: commit, ...(baseModel === undefined ? {} : { baseModel }) };
}

/** `HF_TOKEN`, else the file that the hub's own command-line tool writes at login. */
async function readToken(env: PullContext['env']): Promise<string | undefined> {
  const given = env['HF_TOKEN'] ?? env['HUGGING_FACE_HUB_TOKEN'];
  if (given !== undefined) return given.trim() || undefined;
  const cache = env['XDG_CACHE_HOME'] ?? join(env['HOME'] ?? homedir(), '.cache');
  const path = env['HF_TOKEN_PATH'] ?? join(env['HF_HOME'] ?? join(cache, 'huggingface'), 'token');
  try {
    return (await readFile(path, 'utf8')).trim() || undefined;
  } catch {
    return undefined;
  }
}

function refusal(status: number, source: HubSource, endpoint: string, hasToken: boolean): Error {
  const where = `hf:${source.repo}${source.revision === 'main' ? '' : `@${source.revision}`}`;
  const page = `${endpoint}/${source.repo}`;
  if (status === 403) {
    const next = hasToken
      ? 'with the account of your token'
      : 'with an account, and set HF_TOKEN to a token of it';
    return new RequestError(
      `${where}: the hub refuses access (403); the model may be gated: accept its terms at ${page} ${next}`,
    );
  }
  if (status === 401) {
    // The hub hides private repositories by giving the same answer for names that do not exist.
    const next = hasToken
      ? 'the token in HF_TOKEN is not valid for it'
      : `set HF_TOKEN to a token whose account accepted the terms at ${page}`;
    return new NotFoundError(
      `${where}: the hub answers 401: the name is wrong, or the model is private or gated; check the spelling of ` +
        `owner and name; if they are right, ${next}`,
    );
  }
  return new NotFoundError(`${where}: not at ${endpoint} (${status}); check owner, name, revision and file`);
}
