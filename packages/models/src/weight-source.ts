/** Finds a file's tensors by canonical name, checks their shapes, and notices tensors that nothing asked for. */

import { FormatError } from '@steelyard/core';
import type { ModelFile } from '@steelyard/formats';
import { byteLength, elementCount, type DType, type TensorData } from '@steelyard/graph';
import { asFloat32, scaledFloat32 } from './float32-data.ts';
import type { ScaleBlocks } from './quantisation.ts';
import { huggingFaceName, publishedName, type WeightNames } from './weight-names.ts';

/** How a file stores a weight, where the graph sees its bytes as another shape or format. */
export interface Stored {
  readonly shape?: readonly number[];
  /** What the bytes mean. */
  readonly dtype?: DType;
  /** Some rows of each slab of a matrix, one slab for each row (dim 0) of the weight. */
  readonly slabs?: Slabs;
}

/** A matrix of slabs of `rows` rows each, of which those from `from` on are meant. */
export interface Slabs {
  readonly rows: number;
  readonly from: number;
}

export class WeightSource {
  readonly format: ModelFile['format'];
  /** Of weights that have factors; absent where the file has none such. */
  readonly blocks: ScaleBlocks | undefined;
  readonly #file: ModelFile;
  readonly #names: WeightNames;
  readonly #used = new Set<string>();
  /** Published names and shapes of what was asked for and is not there. */
  readonly #missing: string[] = [];

  constructor(file: ModelFile, names: WeightNames, blocks?: ScaleBlocks) {
    this.format = file.format;
    this.blocks = blocks;
    this.#file = file;
    this.#names = names;
  }

  /** False as well for a weight that files of this architecture have no name for. */
  has(name: string): boolean {
    const known = this.format === 'gguf' || publishedName(this.#names.huggingFace, name) !== undefined;
    return known && this.#find(expertName(this.#published(name), 0)) !== undefined;
  }

  /**
   * The tensor of canonical name `name`. Vectors come as float32, which the ops that take them want; what has more
   * dims as published, in parts where the file holds it one expert at a time. What is missing has the right shape and
   * no bytes: `finish` tells of all of it at once.
   * @throws FormatError when it has another shape
   */
  get(name: string, shape: readonly number[], stored: Stored = {}): TensorData {
    const published = this.#published(name);
    if (stored.slabs) return this.#slabs(published, shape, stored.slabs);
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

  /** Part of a matrix of slabs; with its factors applied, where it has some, since these are of blocks of the whole. */
  #slabs(published: string, [count, rows, columns]: readonly number[], slabs: Slabs): TensorData {
    const [height, depth] = [(count as number) * slabs.rows, columns as number];
    const whole = this.#take(published, [height, depth]);
    const scales = this.#find(`${published}_scale_inv`);
    if (!scales || !this.blocks) return rowsOfSlabs(whole, count as number, rows as number, slabs);
    const { rows: down, columns: across } = this.blocks;
    const factors = this.#take(`${published}_scale_inv`, [
      Math.ceil(height / down),
      Math.ceil(depth / across),
    ]);
    return rowsOfSlabs(scaledFloat32(whole, factors, this.blocks), count as number, rows as number, slabs);
  }

  /** Declares that the file may hold this tensor and that it is rightly not used. */
  ignore(name: string): void {
    const found = this.#find(this.#published(name));
    if (found) this.#used.add(found.published);
  }

  /** The same of all whose published names match. */
  ignorePublished(names: RegExp): void {
    for (const name of this.#file.tensors.keys()) if (names.test(name)) this.#used.add(name);
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

/** Rows `from` to `from + rows` of each slab: where they lie in the file, or copied together. */
function rowsOfSlabs(whole: TensorData, count: number, rows: number, slabs: Slabs): TensorData {
  const { dtype, region } = whole;
  const columns = whole.shape[1] as number;
  const row = byteLength(dtype, columns);
  const length = rows * row;
  const starts = Array.from({ length: count }, (_, i) => (i * slabs.rows + slabs.from) * row);
  if (region) {
    const part = (start: number): TensorData => ({
      dtype,
      shape: [rows, columns],
      byteLength: length,
      region: { path: region.path, offset: region.offset + start, length },
      bytes: () => whole.bytes().subarray(start, start + length),
    });
    return stackParts(starts.map(part));
  }
  const bytes = (): Uint8Array => {
    const from = whole.bytes();
    const all = new Uint8Array(count * length);
    starts.forEach((start, i) => all.set(from.subarray(start, start + length), i * length));
    return all;
  };
  return { dtype, shape: [count, rows, columns], byteLength: count * length, bytes };
}
