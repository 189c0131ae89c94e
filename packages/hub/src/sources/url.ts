/** `https:` addresses of GGUF files; the parts of a split one are all fetched. */

import { posix } from 'node:path';
import { NotFoundError, RequestError, UnsupportedError } from '@steelyard/core';
import type { PlannedFile, PullPlan } from '../pull-plan.ts';
import type { UrlSource } from '../pull-source.ts';
import { checkRelativePath } from '../store/safe-path.ts';

const SHARD = /-(\d{5})-of-(\d{5})(?=\.gguf$)/i;

export function planUrl(source: UrlSource): PullPlan {
  const url = new URL(source.url);
  const name = checkRelativePath(posix.basename(decode(url.pathname)) || '?', source.url);
  if (!/\.gguf$/i.test(name)) {
    throw new UnsupportedError(
      `${source.url}: the address ends in '${name}', expected a .gguf file; a folder of safetensors comes with ` +
        'hf:owner/repo, or file: after you have copied it here',
    );
  }
  const names = shardNames(name);
  if (names.length > 1 && source.sha256 !== undefined) {
    throw new RequestError(
      `${source.url}: one #sha256= cannot stand for ${names.length} parts; leave it out`,
      'source',
    );
  }
  return {
    name: name.replace(/\.gguf$/i, '').replace(/-\d{5}-of-\d{5}$/, ''),
    files: names.map((path) => urlFile(url, path, source.sha256)),
    open: names[0] ?? name,
  };
}

function urlFile(base: URL, path: string, sha256: string | undefined): PlannedFile {
  const url = new URL(base);
  url.pathname = posix.join(posix.dirname(base.pathname), encodeURIComponent(path));
  return {
    path,
    ...(sha256 === undefined ? {} : { sha256 }),
    origin: {
      kind: 'http',
      url: url.href,
      headers: () => Promise.resolve({}),
      explain: (status) =>
        status === 404 || status === 410
          ? new NotFoundError(`${url.href}: not there (${status}); check the address`)
          : new RequestError(
              `${url.href}: access refused (${status}); download it with what has access, then pull file:PATH`,
              'source',
            ),
    },
  };
}

function shardNames(name: string): string[] {
  const count = Number(SHARD.exec(name)?.[2] ?? 1);
  if (count === 1) return [name];
  if (count < 1 || count > 1000) throw new UnsupportedError(`${name}: ${count} parts; expected 1 to 1000`);
  const digits = (value: number): string => String(value).padStart(5, '0');
  return Array.from({ length: count }, (_, at) =>
    name.replace(SHARD, `-${digits(at + 1)}-of-${digits(count)}`),
  );
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
