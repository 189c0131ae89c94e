/** What opening a model to chat and opening one for vectors have in common: file, tokenizer, backend, formats, memory. */

import { freemem } from 'node:os';
import { basename } from 'node:path';
import { UnsupportedError } from '@steelyard/core';
import type { ModelFile } from '@steelyard/formats';
import { openModel } from '@steelyard/formats/node';
import type { Backend, CacheDType } from '@steelyard/graph';
import type { LoadedModel } from '@steelyard/models';
import { selectBackend, type BackendName } from './devices.ts';
import { readText, type ModelText } from './read-text.ts';

export interface CommonOptions {
  /** Default auto: the best that works here. */
  readonly backend?: BackendName | 'auto';
  /** Name in `info`; default the file's. */
  readonly name?: string;
  /** SHA-256 over its files, in hex, as the store has it. Default: computed when somebody asks. */
  readonly digest?: string;
  /** Default: the machine's cores. */
  readonly threads?: number;
  /** Bytes that the model may take where no budget is given; default what the machine can spare now. */
  readonly availableBytes?: number;
  /** Hears what a person should know: a slower backend, a shorter context. */
  readonly onNotice?: (notice: string) => void;
}

export interface Opened {
  readonly file: ModelFile;
  /** Reads tokenizer and template, which takes as long as repacking weights: to be called while those load. */
  readonly readText: () => ModelText;
  readonly backend: Backend;
  readonly name: string;
  readonly path: string;
  /** Closes the file and disposes the backend. */
  readonly close: () => void;
}

/** Tokens per page of the KV cache. */
export const PAGE_SIZE = 32;
/** Share of the memory that is free now which a model may take where no budget is given. */
const SPARE_SHARE = 0.8;

/** Opens file, tokenizer and backend and hands them on; closes them when that fails. */
export async function openWith<T>(
  path: string,
  options: CommonOptions,
  load: (opened: Opened) => Promise<T>,
): Promise<T> {
  const file = openModel(path);
  let backend: Backend | undefined;
  const close = (): void => {
    backend?.dispose();
    file.close();
  };
  try {
    backend = backendFor(options, file);
    const name = options.name ?? basename(path);
    return await load({ file, readText: () => readText(file), backend, name, path, close });
  } catch (error) {
    close();
    throw error;
  }
}

/** @throws UnsupportedError when it does not work here */
export function backendFor(
  { backend = 'auto', threads, onNotice }: CommonOptions,
  { tensors }: ModelFile,
): Backend {
  const weightBytes = [...tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  return selectBackend(backend, { weightBytes, ...(threads !== undefined && { threads }) }, onNotice);
}

/** @throws UnsupportedError when the backend cannot keep a cache in that format */
export function cacheFormat(backend: Backend, wanted: CacheDType | undefined): CacheDType {
  const [first] = backend.stateDTypes;
  const format = wanted ?? first;
  if (format !== undefined && backend.stateDTypes.includes(format)) return format;
  throw new UnsupportedError(
    `the ${backend.name} backend keeps no cache in ${format}; choose one of ${backend.stateDTypes.join(', ')}`,
  );
}

/** Bytes that a model may take now; pages of files that can be dropped count as free. */
export function spareBytes(): number {
  // Not in every supported Node.
  const { availableMemory } = process as { availableMemory?: () => number };
  return Math.floor((availableMemory?.call(process) ?? freemem()) * SPARE_SHARE);
}

/** The dtype that holds most of the weights' bytes. */
export function mainDType(model: LoadedModel): string {
  const bytes = new Map<string, number>();
  for (const { dtype, byteLength } of model.weights.values()) {
    bytes.set(dtype, (bytes.get(dtype) ?? 0) + byteLength);
  }
  return [...bytes].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 'f32';
}
