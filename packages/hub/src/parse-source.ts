/** Text to source and back. Everything here later becomes part of an address or a command line, so it is strict. */

import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RequestError } from '@steelyard/core';
import { isLoopback } from './http/loopback.ts';
import type { HubSource, PackageSource, RegistrySource, Source, UrlSource } from './pull-source.ts';

/** Where `ollama:` names without a host live. */
export const OLLAMA_REGISTRY = 'registry.ollama.ai';

const FORMS =
  'hf:owner/repo[:file or quantisation], https://host/model.gguf, file:path, npm:package[@version], ' +
  'pypi:package[==version], oci:registry/name:tag or ollama:name[:tag]';

const HUB = /^(?<repo>[\w][\w.-]*\/[\w][\w.-]*)(?:@(?<revision>[\w][\w./-]*))?(?::(?<select>.+))?$/;
const PYPI =
  /^(?<package>[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)(?:==(?<version>[\w][\w.!+-]*))?(?::(?<select>.+))?$/i;
const NPM =
  /^(?<package>(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*)(?:@(?<version>[\w][\w.+-]*))?(?::(?<select>.+))?$/i;
const REGISTRY_NAME = /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$/i;
const REFERENCE = /^(?:\w[\w.-]{0,127}|sha256:[0-9a-f]{64})$/;
const HUB_PAGE =
  /^\/(?<repo>[\w.-]+\/[\w.-]+)(?:\/(?:blob|resolve|raw|tree)\/(?<revision>[^/]+)(?:\/(?<select>.+))?)?\/?$/;

/**
 * Reads a source: one of the schemes, an address, a path, or `owner/repo` of the hub.
 * @throws RequestError naming the forms
 */
export function parseSource(text: string): Source {
  const trimmed = text.trim();
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(trimmed)?.[1]?.toLowerCase();
  const rest = scheme === undefined ? trimmed : trimmed.slice(scheme.length + 1);
  switch (scheme) {
    case 'hf':
      return hub(rest, trimmed);
    case 'http':
    case 'https':
      return address(trimmed);
    case 'file':
      return { kind: 'file', path: filePath(rest, trimmed) };
    case 'npm':
      return fromPackage('npm', NPM, rest, trimmed);
    case 'pypi':
      return fromPackage('pypi', PYPI, rest, trimmed);
    case 'oci':
      return registry(rest, trimmed);
    case 'ollama':
      return ollama(rest, trimmed);
    default:
      return bare(trimmed);
  }
}

/** The canonical text: `parseSource` of it gives an equal source. */
export function formatSource(source: Source): string {
  switch (source.kind) {
    case 'hf': {
      const revision = source.revision === 'main' ? '' : `@${source.revision}`;
      return `hf:${source.repo}${revision}${selection(source.select)}`;
    }
    case 'https':
      return source.sha256 === undefined ? source.url : `${source.url}#sha256=${source.sha256}`;
    case 'file':
      return `file:${source.path}`;
    case 'npm':
      return `npm:${source.package}${source.version ? `@${source.version}` : ''}${selection(source.select)}`;
    case 'pypi':
      return `pypi:${source.package}${source.version ? `==${source.version}` : ''}${selection(source.select)}`;
    case 'oci':
      return `oci:${source.registry}/${source.repository}${reference(source.reference)}`;
    case 'ollama': {
      const host = source.registry === OLLAMA_REGISTRY ? '' : `${source.registry}/`;
      const repository = host === '' ? source.repository.replace(/^library\//, '') : source.repository;
      return `ollama:${host}${repository}${reference(source.reference)}`;
    }
  }
}

function selection(select: string | undefined): string {
  return select === undefined ? '' : `:${select}`;
}

function reference(value: string): string {
  return value.startsWith('sha256:') ? `@${value}` : `:${value}`;
}

function bare(text: string): Source {
  if (looksLikePath(text) || existsSync(text)) return { kind: 'file', path: filePath(text, text) };
  if (HUB.test(text)) return hub(text, text);
  throw wrong(text, /^[a-z][a-z0-9+.-]+:/i.test(text) ? 'its scheme is not known' : 'it has no scheme');
}

function looksLikePath(text: string): boolean {
  return /^(\.{1,2}|~)?[/\\]/.test(text) || /^[a-z]:[/\\]/i.test(text) || /^[^/:]+\.gguf$/i.test(text);
}

function filePath(rest: string, text: string): string {
  if (rest === '' || rest.includes('\0')) throw wrong(text, 'the path is empty');
  if (rest.startsWith('//')) {
    try {
      return fileURLToPath(text);
    } catch {
      throw wrong(text, 'it is not a file address of this machine (file:///path)');
    }
  }
  return resolve(rest.startsWith('~/') ? join(homedir(), rest.slice(2)) : rest);
}

function hub(rest: string, text: string): HubSource {
  const groups = HUB.exec(rest)?.groups;
  if (!groups?.['repo'] || rest.includes('..')) throw wrong(text, 'expected hf:owner/repo');
  return {
    kind: 'hf',
    repo: groups['repo'],
    revision: groups['revision'] ?? 'main',
    ...selected(groups['select'], text),
  };
}

function fromPackage(kind: 'npm' | 'pypi', form: RegExp, rest: string, text: string): PackageSource {
  const groups = form.exec(rest)?.groups;
  if (!groups?.['package']) throw wrong(text, `expected ${kind}:name, with a version or without`);
  // A hyphen in front would read as an option of the package manager.
  if (groups['package'].startsWith('-')) throw wrong(text, 'a package name cannot begin with a hyphen');
  const version = groups['version'] === undefined ? {} : { version: groups['version'] };
  return { kind, package: groups['package'], ...version, ...selected(groups['select'], text) };
}

function selected(select: string | undefined, text: string): { select?: string } {
  if (select === undefined) return {};
  if (select.split(/[/\\]/).includes('..') || /^[/\\]/.test(select))
    throw wrong(text, 'the file leaves its folder');
  return { select };
}

function address(text: string): Source {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw wrong(text, 'it is not an address');
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw wrong(text, 'plain http is for this machine only (127.0.0.1, localhost); use https');
  }
  if (url.username !== '' || url.password !== '') {
    throw wrong(text.replace(/\/\/[^@/]*@/, '//'), 'an address with a password would be kept in the store');
  }
  const hash = url.hash;
  url.hash = '';
  if (/(^|\.)(huggingface\.co|hf\.co)$/.test(url.hostname)) {
    const page = HUB_PAGE.exec(decodeURIComponent(url.pathname))?.groups;
    if (page?.['repo']) return fromHubPage(page, text);
  }
  if (hash === '') return { kind: 'https', url: url.href };
  const sha256 = /^#sha256[=:]([0-9a-f]{64})$/i.exec(hash)?.[1]?.toLowerCase();
  if (sha256 === undefined) throw wrong(text, 'after # only sha256=<64 hex digits> is understood');
  return { kind: 'https', url: url.href, sha256 } satisfies UrlSource;
}

function fromHubPage(page: Record<string, string | undefined>, text: string): HubSource {
  const revision = page['revision'] && page['revision'] !== 'main' ? `@${page['revision']}` : '';
  return hub(`${page['repo'] ?? ''}${revision}${selection(page['select'])}`, text);
}

function registry(rest: string, text: string): RegistrySource {
  const path = rest.replace(/^\/\//, '');
  const slash = path.indexOf('/');
  const host = path.slice(0, slash);
  if (slash <= 0 || !isHost(host)) throw wrong(text, 'expected oci:registry.example.org/name:tag');
  return { kind: 'oci', registry: host.toLowerCase(), ...repository(path.slice(slash + 1), text) };
}

function ollama(rest: string, text: string): RegistrySource {
  const path = rest.replace(/^\/\//, '');
  const slash = path.indexOf('/');
  const first = path.slice(0, Math.max(slash, 0));
  if (slash > 0 && isHost(first) && /[.:]|^localhost$/.test(first)) {
    return { kind: 'ollama', registry: first.toLowerCase(), ...repository(path.slice(slash + 1), text) };
  }
  const named = repository(path, text);
  const full = named.repository.includes('/') ? named.repository : `library/${named.repository}`;
  return { kind: 'ollama', registry: OLLAMA_REGISTRY, repository: full, reference: named.reference };
}

function isHost(text: string): boolean {
  return /^(\[[0-9a-f:]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(:\d{1,5})?$/i.test(text);
}

function repository(text: string, whole: string): { repository: string; reference: string } {
  const at = text.indexOf('@');
  const colon = text.lastIndexOf(':');
  const digest = at >= 0 ? text.slice(at + 1) : undefined;
  const beforeDigest = at >= 0 ? text.slice(0, at) : text;
  const tag = at < 0 && colon >= 0 ? text.slice(colon + 1) : undefined;
  const name = at < 0 && colon >= 0 ? text.slice(0, colon) : beforeDigest.replace(/:[^/]*$/, '');
  const value = digest ?? tag ?? 'latest';
  if (!REGISTRY_NAME.test(name)) throw wrong(whole, `'${name}' is not a repository name`);
  if (!REFERENCE.test(value)) throw wrong(whole, `'${value}' is neither a tag nor a sha256 digest`);
  return { repository: name, reference: value };
}

function wrong(text: string, why: string): RequestError {
  return new RequestError(`source '${text}': ${why}; a source is ${FORMS}`, 'source');
}
