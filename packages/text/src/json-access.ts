/** Reading untyped JSON of a tokenizer with errors that name the field. */

import { FormatError } from '@steelyard/core';

export type Json = Record<string, unknown>;

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string')
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value);
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : typeof value;
}

export function badField(where: string, got: unknown, expected: string): FormatError {
  return new FormatError(
    `${where}: got ${describe(got)}, expected ${expected}. The tokenizer files are damaged or of another format; download the model again.`,
  );
}

export function objectAt(value: unknown, where: string): Json {
  if (!isObject(value)) throw badField(where, value, 'an object');
  return value;
}

export function listAt(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw badField(where, value, 'a list');
  return value as unknown[];
}

export function stringAt(value: unknown, where: string): string {
  if (typeof value !== 'string') throw badField(where, value, 'a string');
  return value;
}

/** Ids above this are refused: the largest published vocabularies have a few hundred thousand tokens. */
const idLimit = 1 << 23;

export function idAt(value: unknown, where: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value >= idLimit) {
    throw badField(where, value, `a token id from 0 to ${idLimit - 1}`);
  }
  return value;
}
