/** A configuration file, YAML or JSON (which is YAML too), with the places of what stands in it. */

import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, resolve } from 'node:path';
import type { Document, LineCounter } from 'yaml';
import { ConfigError } from './issues.ts';
import type { Setting } from './settings.ts';

export interface Place {
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

export interface ConfigFile {
  readonly name: string;
  /** What it holds; an empty file holds no settings. */
  readonly value: Readonly<Record<string, unknown>>;
  /** Of a value, or of its key; of the nearest around it where it is not there itself. */
  place(path: readonly PropertyKey[], atKey?: boolean): Place;
  /** A path that the file writes, as the process may use it. */
  resolve(value: unknown, setting: Setting): unknown;
}

/** @throws ConfigError when it cannot be read, is neither YAML nor JSON, or holds no settings at all */
export async function readConfigFile(name: string): Promise<ConfigFile> {
  const { LineCounter, parseDocument } = await import('yaml');
  const source = await readFile(name, 'utf8').catch((error: unknown) => {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new ConfigError([{ where: name, file: name, path: '', message: `cannot be read (${code})` }]);
  });
  const lineCounter = new LineCounter();
  const document = parseDocument(source, { lineCounter, prettyErrors: false });
  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.map(({ message, pos }) => at(name, placeOf(lineCounter, pos[0]), message)),
    );
  }
  const value = plainValue(document, name);
  const place = (path: readonly PropertyKey[], atKey = false) =>
    placeOf(lineCounter, offsetOf(document, path, atKey));
  return { name, value, place, resolve: (given, setting) => resolved(given, setting, dirname(name)) };
}

function plainValue(document: Document, name: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    // Of aliases: too many, or one that stands for nothing.
    throw new ConfigError([at(name, { line: 1, column: 1 }, (error as Error).message)]);
  }
  if (value === null || value === undefined) return {};
  if (typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new ConfigError([at(name, { line: 1, column: 1 }, 'holds no settings by name, as in `port: 8642`')]);
}

function at(name: string, { line, column }: Place, message: string) {
  return { where: `${name}:${line}:${column}:`, file: name, line, column, path: '', message };
}

function placeOf(counter: LineCounter, offset: number): Place {
  const { line, col } = counter.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

interface Ranged {
  readonly range?: readonly [number, number, number] | null;
}

function offsetOf(document: Document, path: readonly PropertyKey[], atKey: boolean): number {
  if (atKey) {
    const map = document.getIn(path.slice(0, -1), true) as {
      items?: readonly { key: Ranged & { value?: unknown } }[];
    };
    const pair = map?.items?.find(({ key }) => key.value === path.at(-1));
    if (pair?.key.range) return pair.key.range[0];
  }
  for (let depth = path.length; depth > 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true) as Ranged | undefined;
    if (node?.range) return node.range[0];
  }
  return 0;
}

/** Paths in a file mean the same wherever the command is run. */
function resolved(value: unknown, { path }: Setting, folder: string): unknown {
  if (Array.isArray(value)) return value.map((one) => resolvedText(one, path, folder));
  return resolvedText(value, path, folder);
}

function resolvedText(value: unknown, path: Setting['path'], folder: string): unknown {
  if (typeof value !== 'string' || path === undefined || isAbsolute(value)) return value;
  return path === 'always' || /^\.\.?([/\\]|$)/.test(value) ? resolve(folder, value) : value;
}
