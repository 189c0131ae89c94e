/** What the conformance suite measured, as `npm run conformance -- --json FILE` and the docs have it. */

import { writeFileSync } from 'node:fs';
import type { Backend } from '@steelyard/graph';
import { boundOf } from './backends.ts';
import type { Golden, GoldenFile } from './golden.ts';
import type { Errors } from './measure.ts';

/** One model file on one backend. Errors are relative to the largest value of a row. */
export interface ConformanceRow {
  readonly architecture: string;
  readonly variant: string;
  readonly format: string;
  readonly backend: string;
  /** Largest of prompts in one step, in chunks and side by side. */
  readonly prefillError: number;
  /** Largest of continuations and of prompts a token at a time; null for encoders, which have neither. */
  readonly decodeError: number | null;
  readonly bound: number;
  readonly reference: string;
}

export function rowOf(
  backend: Backend,
  golden: Golden,
  file: GoldenFile,
  { prefill, chunked, batch, decode, stepwise }: Errors,
): ConformanceRow {
  const decodes = golden.prompts.some((prompt) => prompt.continuation.length > 0);
  return {
    architecture: golden.architecture,
    variant: golden.variant,
    format: file.format,
    backend: backend.name,
    prefillError: rounded(Math.max(prefill, chunked, batch)),
    decodeError: decodes ? rounded(Math.max(decode, stepwise)) : null,
    bound: boundOf(backend, file),
    reference: golden.reference,
  };
}

function rounded(error: number): number {
  return Number(error.toPrecision(2));
}

/** A list with a row a line, so that changes can be read. */
export function writeRows(path: string, rows: readonly ConformanceRow[]): void {
  writeFileSync(path, `[\n${rows.map((row) => JSON.stringify(row)).join(',\n')}\n]\n`);
}
