/** Finds a file's tensors by canonical name, checks their shapes, and notices tensors that nothing asked for. */

import { FormatError } from '@steelyard/core';
import type { ModelFile } from '@steelyard/formats';
import type { TensorData } from '@steelyard/graph';
import { asFloat32 } from './float32-data.ts';
import { huggingFaceName, type WeightNames } from './weight-names.ts';

export class WeightSource {
  readonly format: ModelFile['format'];
  readonly #file: ModelFile;
  readonly #names: WeightNames;
  readonly #used = new Set<string>();

  constructor(file: ModelFile, names: WeightNames) {
    this.format = file.format;
    this.#file = file;
    this.#names = names;
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  /**
   * The tensor of canonical name `name`. Vectors come as float32, which the ops that take them want;
   * matrices as published.
   * @throws FormatError when it is missing or has another shape
   */
  get(name: string, shape: readonly number[]): TensorData {
    const found = this.#find(name);
    if (!found) {
      throw new FormatError(
        `${this.#file.name}: tensor ${this.#published(name)} is missing, expected shape [${shape.join(', ')}]; ` +
          `the file is incomplete or its configuration belongs to another model`,
      );
    }
    const { published, data } = found;
    const same = data.shape.length === shape.length && shape.every((dim, i) => dim === data.shape[i]);
    if (!same) {
      throw new FormatError(
        `${this.#file.name}: tensor ${published} has shape [${data.shape.join(', ')}], ` +
          `expected [${shape.join(', ')}] by its configuration`,
      );
    }
    this.#used.add(published);
    return shape.length === 1 ? asFloat32(data) : data;
  }

  /** Declares that the file may hold this tensor and that it is rightly not used. */
  ignore(name: string): void {
    const found = this.#find(name);
    if (found) this.#used.add(found.published);
  }

  /** @throws FormatError naming tensors that the model did not use: without them its results would be wrong */
  finish(): void {
    const { unusedHuggingFace, unusedGguf } = this.#names;
    const harmless = this.format === 'gguf' ? unusedGguf : unusedHuggingFace;
    const left = [...this.#file.tensors.keys()].filter(
      (name) => !this.#used.has(name) && !harmless?.test(name),
    );
    if (left.length === 0) return;
    const more = left.length > 5 ? ` and ${left.length - 5} more` : '';
    throw new FormatError(
      `${this.#file.name}: the architecture has no place for tensors ${left.slice(0, 5).join(', ')}${more}; ` +
        `the model would give wrong results without them, so it is not loaded`,
    );
  }

  #published(name: string): string {
    return this.format === 'gguf' ? name : huggingFaceName(this.#names.huggingFace, name);
  }

  #find(name: string): { published: string; data: TensorData } | undefined {
    const plain = this.#published(name);
    const prefixes = this.format === 'gguf' ? [''] : ['', ...(this.#names.optionalPrefixes ?? [])];
    for (const prefix of prefixes) {
      const data = this.#file.tensors.get(prefix + plain);
      if (data) return { published: prefix + plain, data };
    }
    return undefined;
  }
}
