/**
 * Reads safetensors headers, of one file or of all shards of a model. The file is hostile: the header's length
 * is bounded before it is read, and every range is checked against the file.
 *
 * @see the safetensors README, section Format
 */

import { FormatError, UnsupportedError } from '@steelyard/core';
import { dtypeBySafetensors, dtypes, type DTypeInfo, type TensorData } from '@steelyard/graph';
import { parseJsonObject } from './json.ts';
import type { ByteSource } from './model-file.ts';
import { shown } from './shown.ts';
import { checkedByteLength, MAX_DIMS, refuseOverlaps, tensorRegion } from './tensor-region.ts';

/** The reference reader's own limit. */
const MAX_HEADER_BYTES = 100_000_000;
/** Published files have some thousands, all shards of a model a hundred thousand. */
const MAX_TENSORS = 1 << 18;

/** Tensors of one file by name. @throws FormatError, UnsupportedError */
export function readSafetensors(source: ByteSource): Map<string, TensorData> {
  const { name: file, size } = source;
  if (size < 10)
    throw new FormatError(`${file}: ${size} bytes are too few for a safetensors file; pull it again`);
  const lengthBytes = source.read(0, 8);
  const headerLength = new DataView(lengthBytes.buffer, lengthBytes.byteOffset, 8).getBigUint64(0, true);
  if (headerLength < 2n || headerLength > BigInt(Math.min(MAX_HEADER_BYTES, size - 8))) {
    throw new FormatError(
      `${file}: header length is ${headerLength}, expected 2 to ${Math.min(MAX_HEADER_BYTES, size - 8)}; the file is truncated or damaged, pull it again`,
    );
  }
  const length = Number(headerLength);
  const header = parseJsonObject(file, source.read(8, length), MAX_TENSORS);
  const dataStart = 8 + length;
  const entries = Object.entries(header).filter(([name]) => name !== '__metadata__');
  const tensors = new Map<string, TensorData>();
  const ranges: { name: string; start: number; end: number }[] = [];
  for (const [name, entry] of entries) {
    const { tensor, start, end } = readEntry(source, name, entry, dataStart);
    tensors.set(name, tensor);
    ranges.push({ name, start, end });
  }
  refuseOverlaps(file, ranges);
  return tensors;
}

function readEntry(source: ByteSource, name: string, entry: unknown, dataStart: number) {
  const { name: file, size } = source;
  const at = `${file}: tensor ${shown(name)}`;
  if (typeof entry !== 'object' || entry === null) {
    throw new FormatError(
      `${at} is ${shown(entry)}, expected an object with dtype, shape and data_offsets; the file is damaged`,
    );
  }
  const { dtype: dtypeName, shape, data_offsets: offsets } = entry as Record<string, unknown>;
  if (!isSizes(shape) || shape.length > MAX_DIMS) {
    throw new FormatError(
      `${at} has shape ${shown(shape)}, expected up to ${MAX_DIMS} whole numbers; the file is damaged`,
    );
  }
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw new FormatError(
      `${at} has data_offsets ${shown(offsets)}, expected two whole numbers; the file is damaged`,
    );
  }
  const dtype = typeof dtypeName === 'string' ? dtypeBySafetensors(dtypeName) : undefined;
  if (!dtype) {
    throw new UnsupportedError(
      `${at} has dtype ${shown(dtypeName)}, expected one of ${supported()}; choose a file stored as one of these`,
    );
  }
  const [begin, end] = offsets as [number, number];
  const length = checkedByteLength(file, name, dtype, shape);
  if (end - begin !== length) {
    throw new FormatError(
      `${at} has data_offsets ${shown(offsets)}, expected ${length} bytes for [${shape.join(', ')}] ${dtype}; the file is damaged`,
    );
  }
  if (dataStart + end > size) {
    throw new FormatError(
      `${at} ends at byte ${dataStart + end}, the file has ${size}; it is truncated, pull it again`,
    );
  }
  const start = dataStart + begin;
  return { tensor: tensorRegion(source, dtype, shape, start, length), start, end: start + length };
}

/** `F32, F16, ...` */
function supported(): string {
  return Object.values<DTypeInfo>(dtypes)
    .flatMap(({ safetensors }) => safetensors ?? [])
    .join(', ');
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((v) => Number.isSafeInteger(v) && (v as number) >= 0);
}
