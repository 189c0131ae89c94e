/**
 * Reads a model's settings from `config.json` or GGUF metadata under one set of names, bounds them, and keeps
 * account of what was read: a setting that nothing read is an error, because ignoring it may change the result.
 */

import { FormatError, UnsupportedError } from '@steelyard/core';
import type { ModelFile } from '@steelyard/formats';
import { isHarmlessGgufKey, isHarmlessKey } from './harmless-keys.ts';

/** Where a setting is kept: key of `config.json`, or key of GGUF metadata less the architecture's prefix. */
export interface Key {
  readonly hf?: string | readonly string[];
  readonly gguf?: string;
}

export interface NumberRule<D> {
  readonly min: number;
  readonly max: number;
  /** Returned when the key is absent or null; without it the key is required. */
  readonly fallback?: D;
}

/** Upper bounds for what a file may declare: far above published models, far below what would hang us. */
export const limits = {
  layers: 1024,
  heads: 4096,
  experts: 65536,
  width: 1 << 20,
  vocab: 1 << 24,
  positions: 2 ** 31 - 1,
} as const;

export class ConfigReader {
  readonly format: 'gguf' | 'safetensors';
  readonly fileName: string;
  /** What the file says it is: `general.architecture` or `model_type`. */
  readonly declared: string;
  readonly #values: ReadonlyMap<string, unknown>;
  readonly #tensors: ModelFile['tensors'];
  readonly #prefix: string;
  readonly #read = new Set<string>();

  private constructor(
    format: 'gguf' | 'safetensors',
    fileName: string,
    declared: string,
    values: ReadonlyMap<string, unknown>,
    tensors: ModelFile['tensors'],
  ) {
    this.#tensors = tensors;
    this.format = format;
    this.fileName = fileName;
    this.declared = declared;
    this.#values = values;
    this.#prefix = format === 'gguf' ? `${declared}.` : '';
  }

  /** A reader of the file's main configuration. */
  static of(file: ModelFile, declared: string): ConfigReader {
    const values = file.format === 'gguf' ? file.metadata : new Map(Object.entries(file.config));
    return new ConfigReader(file.format, file.name, declared, values, file.tensors);
  }

  /** A reader of an object inside `config.json`, such as `rope_scaling`; undefined when absent or null. */
  section(name: string): ConfigReader | undefined {
    this.ignore({ hf: name });
    return this.peek(name);
  }

  /** The same, without marking it as read. */
  peek(name: string): ConfigReader | undefined {
    const value = this.format === 'gguf' ? null : (this.#values.get(name) ?? null);
    if (value === null) return undefined;
    if (typeof value !== 'object' || Array.isArray(value)) this.#refuse(name, value, 'an object');
    const entries = new Map(Object.entries(value));
    return new ConfigReader('safetensors', `${this.fileName} ${name}`, this.declared, entries, this.#tensors);
  }

  integer(key: Key, rule: NumberRule<number>): number;
  integer(key: Key, rule: NumberRule<undefined> & { fallback: undefined }): number | undefined;
  integer(key: Key, rule: NumberRule<number | undefined>): number | undefined {
    const value = this.number(key, rule as NumberRule<number>);
    if (value !== undefined && !Number.isInteger(value))
      this.#refuse(this.#label(key), value, 'a whole number');
    return value;
  }

  number(key: Key, rule: NumberRule<number>): number;
  number(key: Key, rule: NumberRule<undefined> & { fallback: undefined }): number | undefined;
  number(key: Key, rule: NumberRule<number | undefined>): number | undefined {
    const found = this.#take(key);
    if (!found) {
      if ('fallback' in rule) return rule.fallback;
      throw new FormatError(`${this.fileName}: ${this.#label(key)} is missing; the file is incomplete`);
    }
    const { value, name } = found;
    if (typeof value !== 'number' || !(value >= rule.min && value <= rule.max)) {
      this.#refuse(name, value, `a number from ${rule.min} to ${rule.max}`);
    }
    return value;
  }

  flag(key: Key, fallback: boolean): boolean {
    const found = this.#take(key);
    if (found && typeof found.value !== 'boolean') this.#refuse(found.name, found.value, 'true or false');
    return found ? (found.value as boolean) : fallback;
  }

  text(key: Key, fallback: string): string {
    const found = this.#take(key);
    if (found && typeof found.value !== 'string') this.#refuse(found.name, found.value, 'a string');
    return found ? (found.value as string) : fallback;
  }

  /** A list of strings; undefined when the key is absent. */
  texts(key: Key): readonly string[] | undefined {
    const found = this.#take(key);
    if (!found) return undefined;
    const { value, name } = found;
    const good = Array.isArray(value) && value.every((item) => typeof item === 'string');
    if (!good) this.#refuse(name, value, 'a list of strings');
    return value;
  }

  /** A list of whole numbers; undefined when the key is absent. */
  integers(key: Key): readonly number[] | undefined {
    const found = this.#take(key);
    if (!found) return undefined;
    const { name } = found;
    // GGUF's lists of numbers come as typed arrays.
    const value = ArrayBuffer.isView(found.value) ? Array.from(found.value as Int32Array) : found.value;
    const good = Array.isArray(value) && value.every((item) => Number.isInteger(item));
    if (!good) this.#refuse(name, value, 'a list of whole numbers');
    return value as readonly number[];
  }

  /** A list of numbers within bounds; undefined when the key is absent. */
  numbers(key: Key, { min, max }: NumberRule<never>): readonly number[] | undefined {
    const found = this.#take(key);
    if (!found) return undefined;
    const { value, name } = found;
    const good =
      Array.isArray(value) && value.every((item) => typeof item === 'number' && item >= min && item <= max);
    if (!good) this.#refuse(name, value, `a list of numbers from ${min} to ${max}`);
    return value as readonly number[];
  }

  /** One of a few words. @throws UnsupportedError when the file has another */
  choice<const O extends string>(key: Key, options: readonly O[], fallback: O): O {
    const value = this.text(key, fallback);
    if ((options as readonly string[]).includes(value)) return value as O;
    throw new UnsupportedError(
      `${this.fileName}: ${this.#label(key)} is ${JSON.stringify(value)}; ${this.declared} here supports ${options.join(', ')}`,
    );
  }

  /** True when the key is there with null as its value, which is not the same as absent where absent means a default. */
  isNull(key: Key): boolean {
    return this.#names(key).some((name) => this.#values.get(name) === null);
  }

  /** True when the key holds this word, where others are numbers. */
  isWord(key: Key, word: string): boolean {
    return this.#take(key)?.value === word;
  }

  /** A size computed from others. @throws FormatError when it is not a whole number from 1 */
  derived(label: string, value: number): number {
    if (!Number.isInteger(value) || value < 1) this.#refuse(label, value, 'a whole number from 1');
    return value;
  }

  /** Dim 0 of a tensor by its published name, for what files say only by the tensors they hold. */
  tensorRows(name: string): number | undefined {
    return this.#tensors.get(name)?.shape[0];
  }

  /** Marks keys as read whose effect is computed elsewhere or is nil for this architecture. */
  ignore(...keys: Key[]): void {
    for (const key of keys) for (const name of this.#names(key)) this.#read.add(name);
  }

  /** @throws UnsupportedError naming the settings that nothing read */
  finish(): void {
    const unread: string[] = [];
    for (const [name, value] of this.#values) {
      if (this.#read.has(name) || saysNothing(value)) continue;
      const harmless = this.format === 'gguf' ? isHarmlessGgufKey(name, this.#prefix) : isHarmlessKey(name);
      if (!harmless) unread.push(`${name}=${preview(value)}`);
    }
    if (unread.length === 0) return;
    throw new UnsupportedError(
      `${this.fileName}: ${this.declared} does not know the setting ${unread.slice(0, 8).join(', ')}, and ignoring it ` +
        `could give wrong results; it may be of a variant that is not implemented (see: steelyard show --supported); ` +
        `if it has no effect, remove it from the configuration`,
    );
  }

  #names(key: Key): string[] {
    if (this.format === 'gguf') return key.gguf === undefined ? [] : [this.#prefix + key.gguf];
    return key.hf === undefined ? [] : [key.hf].flat();
  }

  #label(key: Key): string {
    return this.#names(key)[0] ?? '(no key)';
  }

  #present(name: string): boolean {
    const value = this.#values.get(name);
    return value !== undefined && value !== null;
  }

  /** The first of the key's names that is present; all are marked as read. */
  #take(key: Key): { name: string; value: unknown } | undefined {
    const names = this.#names(key);
    for (const name of names) this.#read.add(name);
    const name = names.find((n) => this.#present(n));
    return name === undefined ? undefined : { name, value: this.#values.get(name) };
  }

  #refuse(name: string, value: unknown, expected: string): never {
    throw new FormatError(`${this.fileName}: ${name} is ${preview(value)}, expected ${expected}`);
  }
}

/** Absent, switched off, or empty. */
function saysNothing(value: unknown): boolean {
  if (value === null || value === undefined || value === false) return true;
  if (typeof value !== 'object') return false;
  // Vocabularies are long lists, of which there is no need to list the keys.
  return ('length' in value ? value.length : Object.keys(value).length) === 0;
}

function preview(value: unknown): string {
  const text = typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
