/** Finds a file's tensors by canonical name, checks their shapes, and notices tensors that nothing asked for. */

import { FormatError } from '@steelyard/core';
import type { ModelFile } from '@steelyard/formats';
import { byteLength, elementCount, type DType, type TensorData } from '@steelyard/graph';
import { asFloat32 } from './float32-data.ts';
import { huggingFaceName, publishedName, type WeightNames } from './weight-names.ts';

/** How a file stores a weight, where the graph sees its bytes as another shape or format. */
export interface Stored {
  readonly shape?: readonly number[];
  /** What the bytes mean. */
  readonly dtype?: DType;
}

export class WeightSource {
  readonly format: ModelFile['format'];
  readonly #file: ModelFile;
  readonly #names: WeightNames;
  readonly #used = new Set<string>();
  /** Published names and shapes of what was asked for and is not there. */
  readonly #missing: string[] = [];

  constructor(file: ModelFile, names: WeightNames) {
    this.format = file.format;
    this.#file = file;
    this.#names = names;
  }

  has(name: string): boolean {
    return this.#find(expertName(this.#published(name), 0)) !== undefined;
  }

  /**
   * The tensor of canonical name `name`. Vectors come as float32, which the ops that take them want; what has more
   * dims as published, in parts where the file holds it one expert at a time. What is missing has the right shape and
   * no bytes: `finish` tells of all of it at once.
   * @throws FormatError when it has another shape
   */
  get(name: string, shape: readonly number[], stored: Stored = {}): TensorData {
    const published = this.#published(name);
    const expected = stored.shape ?? shape;
    const before = this.#missing.length;
    const data = published.includes('{e}')
      ? stackParts(
          Array.from({ length: expected[0] ?? 0 }, (_, e) =>
            this.#take(expertName(published, e), expected.slice(1)),
          ),
        )
      : this.#take(published, expected);
    if (this.#missing.length > before) return absent(shape);
    const dtype = stored.dtype ?? data.dtype;
    if (byteLength(dtype, elementCount(shape)) !== data.byteLength) {
      throw new FormatError(
        `${this.#file.name}: tensor ${published} is stored as ${data.dtype}, expected ${data.byteLength} bytes of ${dtype}`,
      );
    }
    const viewed = stored.dtype || stored.shape ? { ...data, dtype, shape } : data;
    return shape.length === 1 ? asFloat32(viewed) : viewed;
  }

  /** Declares that the file may hold this tensor and that it is rightly not used. */
  ignore(name: string): void {
    const found = this.#find(this.#published(name));
    if (found) this.#used.add(found.published);
  }

  /** @throws FormatError naming tensors that are missing, and those that the model did not use */
  finish(): void {
    this.checkMissing();
    const left = this.#left();
    if (left.length === 0) return;
    throw new FormatError(
      `${this.#file.name}: the architecture has no place for tensors ${listed(left)}; ` +
        `the model would give wrong results without them, so it is not loaded; ${SUPPORTED}`,
    );
  }

  /** @throws FormatError when anything that was asked for is not there */
  checkMissing(): void {
    const [first, ...others] = this.#missing;
    if (first === undefined) return;
    const left = this.#left();
    const more = others.length > 0 ? `, and so are ${listed(others)}` : '';
    const instead = left.length > 0 ? ` (it holds ${listed(left)}, which has no place)` : '';
    throw new FormatError(
      `${this.#file.name}: tensor ${first}${more}; the file is incomplete, its configuration belongs to another ` +
        `model, or it is of a variant that is not implemented${instead}; ${SUPPORTED}`,
    );
  }

  /** Tensors of the file that nothing asked for and that are not known to be of no use. */
  #left(): string[] {
    const { unusedHuggingFace, unusedGguf } = this.#names;
    const harmless = this.format === 'gguf' ? unusedGguf : unusedHuggingFace;
    return [...this.#file.tensors.keys()].filter((name) => !this.#used.has(name) && !harmless?.test(name));
  }

  #published(name: string): string {
    if (this.format !== 'gguf') return huggingFaceName(this.#names.huggingFace, name);
    const earlier = publishedName(this.#names.earlierGguf ?? {}, name);
    const isEarlier = earlier !== undefined && this.#file.tensors.has(expertName(earlier, 0));
    return isEarlier ? earlier : name;
  }

  /** The tensor of one published name. */
  #take(name: string, shape: readonly number[]): TensorData {
    const found = this.#find(name);
    if (!found) {
      const label = `[${shape.join(', ')}]`;
      this.#missing.push(
        this.#missing.length > 0 ? `${name} ${label}` : `${name} is missing, expected shape ${label}`,
      );
      // A hostile configuration may ask for millions.
      if (this.#missing.length >= MAX_MISSING) this.checkMissing();
      return absent(shape);
    }
    const { published, data } = found;
    if (!sameRows(data.shape, shape)) {
      throw new FormatError(
        `${this.#file.name}: tensor ${published} has shape [${data.shape.join(', ')}], ` +
          `expected [${shape.join(', ')}] by its configuration`,
      );
    }
    this.#used.add(published);
    return { ...data, shape };
  }

  #find(plain: string): { published: string; data: TensorData } | undefined {
    const prefixes = this.format === 'gguf' ? [''] : ['', ...(this.#names.optionalPrefixes ?? [])];
    for (const prefix of prefixes) {
      const data = this.#file.tensors.get(prefix + plain);
      if (data) return { published: prefix + plain, data };
    }
    return undefined;
  }
}

const SUPPORTED = 'to see what is supported, run: steelyard show --supported';
const MAX_MISSING = 64;

/** A tensor that is only asked for its shape. */
function absent(shape: readonly number[]): TensorData {
  const bytes = (): never => {
    throw new FormatError('a missing tensor was read; this is a bug, please report it');
  };
  return { dtype: 'f32', shape, byteLength: 4 * elementCount(shape), bytes };
}

/** `a, b, c, d, e and 3 more` */
function listed(names: readonly string[]): string {
  return `${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`;
}

/** Equal but for dims of one at the front, which converters drop. */
function sameRows(a: readonly number[], b: readonly number[]): boolean {
  const [got, wanted] = [a, b].map((dims) =>
    dims.slice(dims.findIndex((dim, i) => dim !== 1 || i === dims.length - 1)),
  );
  return got?.length === wanted?.length && (got?.every((dim, i) => dim === wanted?.[i]) ?? false);
}

function expertName(published: string, expert: number): string {
  return published.replace('{e}', String(expert));
}

/** Tensors of one shape as the rows of one. @throws FormatError when they are stored in different formats */
function stackParts(parts: readonly TensorData[]): TensorData {
  const { dtype, shape, byteLength } = parts[0] as TensorData;
  const other = parts.find((part) => part.dtype !== dtype);
  if (other) {
    throw new FormatError(
      `experts are stored as ${dtype} and as ${other.dtype}, expected one format; convert them`,
    );
  }
  const total = byteLength * parts.length;
  const bytes = (): Uint8Array => {
    const all = new Uint8Array(total);
    parts.forEach((part, i) => all.set(part.bytes(), i * byteLength));
    return all;
  };
  return { dtype, shape: [parts.length, ...shape], byteLength: total, parts, bytes };
}
