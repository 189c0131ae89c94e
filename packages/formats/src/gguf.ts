/**
 * Reads GGUF, versions 2 and 3, in one or several parts. The file is hostile: every size, count and offset is
 * bounded by the file's size before it is used. Weights are not read here.
 *
 * @see ggml's docs/gguf.md
 */

import { FormatError, UnsupportedError } from '@steelyard/core';
import { dtypeByGgml, dtypes, type DTypeInfo, type TensorData } from '@steelyard/graph';
import { ByteCursor } from './byte-cursor.ts';
import { readMetadata } from './gguf-metadata.ts';
import { DEFAULT_ALIGNMENT, GGUF_MAGIC, GGUF_VERSIONS } from './gguf-types.ts';
import type { ByteSource, GgufFile, MetadataValue } from './model-file.ts';
import { shown } from './shown.ts';
import { checkedByteLength, MAX_DIMS, refuseOverlaps, tensorRegion } from './tensor-region.ts';

const MAX_NAME_BYTES = 4096;
/** name length, rank, type, offset */
const MIN_TENSOR_BYTES = 8 + 4 + 4 + 8;
/** key length, type, value */
const MIN_PAIR_BYTES = 8 + 4 + 1;
/** In memory each takes many times its least size in the file; published files have some thousands and hundreds. */
const MAX_TENSORS = 1 << 18;
const MAX_PAIRS = 1 << 16;
const MAX_ALIGNMENT = 1 << 20;

/**
 * @param sources the file, or all parts of a split model in order
 * @throws FormatError, UnsupportedError naming file and field; the sources stay open and the caller's then
 */
export function readGguf(sources: readonly [ByteSource, ...ByteSource[]]): GgufFile {
  const parts = sources.map(readPart);
  const first = parts[0] as Part;
  const tensors = new Map<string, TensorData>();
  for (const part of parts) {
    for (const [name, tensor] of part.tensors) {
      if (tensors.has(name)) {
        throw new FormatError(
          `${part.name}: tensor ${shown(name)} is in an earlier part too, expected it once; put the parts of one model together`,
        );
      }
      tensors.set(name, tensor);
    }
  }
  checkSplit(parts, tensors.size);
  return {
    format: 'gguf',
    name: first.name,
    metadata: first.metadata,
    tensors,
    close: () => {
      for (const source of sources) source.close();
    },
  };
}

interface Part {
  readonly name: string;
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly tensors: ReadonlyMap<string, TensorData>;
}

function checkSplit(parts: readonly Part[], tensorCount: number): void {
  const first = parts[0] as Part;
  const count = first.metadata.get('split.count');
  const expected = typeof count === 'number' && count > 0 ? count : 1;
  if (expected !== parts.length) {
    throw new FormatError(
      `${first.name}: split.count says ${expected} parts, got ${parts.length}; put all parts in one folder`,
    );
  }
  parts.forEach((part, i) => {
    const number = part.metadata.get('split.no');
    if (parts.length > 1 && number !== i) {
      throw new FormatError(
        `${part.name}: split.no is ${shown(number)}, expected ${i}; the parts are out of order`,
      );
    }
  });
  const total = first.metadata.get('split.tensors.count');
  if (parts.length > 1 && typeof total === 'number' && total !== tensorCount) {
    throw new FormatError(
      `${first.name}: split.tensors.count is ${total}, the parts hold ${tensorCount}; a part is of another model`,
    );
  }
}

function readPart(source: ByteSource): Part {
  const cursor = new ByteCursor(source);
  readMagic(cursor);
  cursor.field = 'tensor count';
  const tensorCount = cursor.count(Math.min(MAX_TENSORS, Math.floor(source.size / MIN_TENSOR_BYTES)));
  cursor.field = 'metadata count';
  const pairCount = cursor.count(Math.min(MAX_PAIRS, Math.floor(source.size / MIN_PAIR_BYTES)));
  const metadata = readMetadata(cursor, pairCount);
  const infos = Array.from({ length: tensorCount }, (_, i) => readTensorInfo(cursor, i));
  const alignment = readAlignment(source.name, metadata);
  const dataStart = Math.ceil(cursor.offset / alignment) * alignment;
  return { name: source.name, metadata, tensors: placeTensors(source, infos, dataStart, alignment) };
}

function readMagic(cursor: ByteCursor): void {
  const { name, size } = cursor.source;
  if (size < 24) throw new FormatError(`${name}: ${size} bytes are too few for a GGUF file; pull it again`);
  const magic = cursor.u32();
  if (magic !== GGUF_MAGIC) {
    throw new FormatError(
      `${name}: starts with 0x${magic.toString(16).padStart(8, '0')}, expected GGUF's magic 0x46554747 ("GGUF"); it is another kind of file`,
    );
  }
  const version = cursor.u32();
  if ((GGUF_VERSIONS as readonly number[]).includes(version)) return;
  if (version !== 0 && (version & 0xffff) === 0) {
    throw new UnsupportedError(
      `${name}: is big-endian GGUF, expected little-endian; convert it with gguf-py's gguf_convert_endian`,
    );
  }
  throw new UnsupportedError(
    `${name}: is GGUF version ${version}, expected ${GGUF_VERSIONS.join(' or ')}; get a newer file`,
  );
}

interface TensorInfo {
  readonly name: string;
  /** Outermost first; the file has them innermost first. */
  readonly shape: readonly number[];
  readonly type: number;
  readonly offset: number;
}

function readTensorInfo(cursor: ByteCursor, i: number): TensorInfo {
  cursor.field = `name of tensor ${i}`;
  const name = cursor.text(MAX_NAME_BYTES);
  cursor.field = `rank of tensor ${shown(name)}`;
  const rank = cursor.u32();
  if (rank > MAX_DIMS) {
    throw new FormatError(
      `${cursor.source.name}: tensor ${shown(name)} has ${rank} dims, expected at most ${MAX_DIMS}; the file is damaged`,
    );
  }
  const shape = Array.from({ length: rank }, (_, d) => {
    cursor.field = `dim ${d} of tensor ${shown(name)}`;
    return cursor.count(Number.MAX_SAFE_INTEGER);
  }).reverse();
  cursor.field = `type of tensor ${shown(name)}`;
  const type = cursor.u32();
  cursor.field = `offset of tensor ${shown(name)}`;
  // Held against the file's size once the tensor's length is known, so that a truncated file is called one.
  return { name, shape, type, offset: cursor.count(Number.MAX_SAFE_INTEGER) };
}

function readAlignment(file: string, metadata: ReadonlyMap<string, MetadataValue>): number {
  const value = metadata.get('general.alignment') ?? DEFAULT_ALIGNMENT;
  const good = typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_ALIGNMENT;
  if (!good || (value & (value - 1)) !== 0) {
    throw new FormatError(
      `${file}: general.alignment is ${shown(value)}, expected a power of two up to ${MAX_ALIGNMENT}; the file is damaged`,
    );
  }
  return value;
}

function placeTensors(
  source: ByteSource,
  infos: readonly TensorInfo[],
  dataStart: number,
  alignment: number,
): Map<string, TensorData> {
  const tensors = new Map<string, TensorData>();
  const ranges = infos.map(({ name, shape, type, offset }) => {
    const tensor = `tensor ${shown(name)}`;
    const dtype = dtypeByGgml(type);
    if (!dtype) {
      throw new UnsupportedError(
        `${source.name}: ${tensor} has ggml type ${type}, expected one of ${supported()}; choose a file quantised with one of these`,
      );
    }
    if (tensors.has(name)) {
      throw new FormatError(`${source.name}: ${tensor} appears twice, expected it once; the file is damaged`);
    }
    if (offset % alignment !== 0) {
      throw new FormatError(
        `${source.name}: ${tensor} lies at offset ${offset}, expected a multiple of ${alignment}; the file is damaged`,
      );
    }
    const length = checkedByteLength(source.name, name, dtype, shape);
    const start = dataStart + offset;
    if (start + length > source.size) {
      throw new FormatError(
        `${source.name}: ${tensor} needs bytes ${start} to ${start + length}, the file has ${source.size}; it is truncated, pull it again`,
      );
    }
    tensors.set(name, tensorRegion(source, dtype, shape, start, length));
    return { name, start, end: start + length };
  });
  refuseOverlaps(source.name, ranges);
  return tensors;
}

/** `0 (f32), 1 (f16), ...` */
function supported(): string {
  return Object.values<DTypeInfo>(dtypes)
    .flatMap(({ ggml, name }) => (ggml === undefined ? [] : [`${ggml} (${name})`]))
    .join(', ');
}
