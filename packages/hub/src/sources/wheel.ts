/** What a wheel says of itself: facts in METADATA, hashes of every entry in RECORD. @see PEP 427, PEP 566, PEP 639 */

import { FormatError } from '@steelyard/core';
import type { ZipArchive, ZipEntry } from '../archives/zip.ts';
import type { PackageEntry } from './package-entry.ts';

const MAX_TEXT_BYTES = 8 << 20;

export interface WheelFacts {
  readonly version: string | undefined;
  readonly license: string | undefined;
  /** Dependencies that are not optional: the name, and what to hand to pip. */
  readonly requires: readonly { readonly name: string; readonly text: string }[];
}

/** @returns facts, and the entries with their recorded hashes */
export async function readWheel(
  archive: ZipArchive,
  label: string,
): Promise<{ facts: WheelFacts; entries: PackageEntry[] }> {
  const metadata = await readText(archive, /^[^/]+\.dist-info\/METADATA$/, label);
  const record = parseRecord(await readText(archive, /^[^/]+\.dist-info\/RECORD$/, label));
  const entries = archive.entries.map((entry) => ({
    path: entry.path,
    size: entry.size,
    sha256: record.get(entry.path),
    from: label,
    open: () => entry.open(),
  }));
  return { facts: parseMetadata(metadata), entries };
}

async function readText(archive: ZipArchive, name: RegExp, label: string): Promise<string> {
  const entry: ZipEntry | undefined = archive.entries.find((item) => name.test(item.path));
  if (!entry)
    throw new FormatError(`${label}: no ${name.source.split('/').at(-1)?.replace(/\W/g, '')}; not a wheel`);
  if (entry.size > MAX_TEXT_BYTES)
    throw new FormatError(`${label}: ${entry.path} is ${entry.size} bytes; not a wheel`);
  const chunks: Buffer[] = [];
  for await (const chunk of (await entry.open()) as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function parseMetadata(text: string): WheelFacts {
  const head = text.split(/\r?\n\r?\n/)[0] ?? '';
  const fields = head.split(/\r?\n/).flatMap((line) => {
    const [, name, value] = /^([A-Za-z-]+):\s*(.*)$/.exec(line) ?? [];
    return name === undefined || value === undefined
      ? []
      : [{ name: name.toLowerCase(), value: value.trim() }];
  });
  const first = (name: string): string | undefined =>
    fields.find((field) => field.name === name)?.value || undefined;
  const requires = fields
    .filter((field) => field.name === 'requires-dist' && !/;.*\bextra\b/.test(field.value))
    .flatMap(({ value }) => requirement(value));
  return { version: first('version'), license: licenseOf(fields, first), requires };
}

/** Only a name with an exact version, or none, goes on to pip; ranges are pip's to choose from, so they are dropped. */
function requirement(value: string): { name: string; text: string }[] {
  const [, name, version] =
    /^([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\(?\s*==\s*([A-Za-z0-9.!+_-]+)\s*\)?)?/.exec(value) ?? [];
  if (name === undefined) return [];
  return [{ name, text: version === undefined ? name : `${name}==${version}` }];
}

function licenseOf(
  fields: readonly { name: string; value: string }[],
  first: (name: string) => string | undefined,
): string | undefined {
  const stated = first('license-expression') ?? first('license');
  // Some packages put the whole text of a licence into the field; its first line is no name.
  if (stated !== undefined && stated.length <= 60 && stated !== 'UNKNOWN') return stated;
  const classifier = fields.find(
    (field) => field.name === 'classifier' && field.value.startsWith('License ::'),
  );
  return classifier?.value.split('::').at(-1)?.trim();
}

/** Lines of `path,sha256=<base64url>,size`. */
function parseRecord(text: string): Map<string, string> {
  const hashes = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const [, quoted, plain, hash] =
      /^(?:"((?:[^"]|"")*)"|([^,]*)),sha256=([A-Za-z0-9_-]{43})=?,/.exec(line) ?? [];
    const path = quoted?.replaceAll('""', '"') ?? plain;
    if (path && hash) hashes.set(path, Buffer.from(hash, 'base64url').toString('hex'));
  }
  return hashes;
}
