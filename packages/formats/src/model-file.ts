/** What every format reader returns: one published model, whatever files it came in. */

import type { TensorData } from '@steelyard/graph';
import type { TextList } from './text-list.ts';

/** GGUF metadata value. 64-bit integers become numbers when safe, else bigint. */
export type MetadataValue =
  string | number | bigint | boolean | readonly MetadataValue[] | TextList | NumericArray;
export type NumericArray =
  Int32Array | Uint32Array | Float32Array | Uint8Array | Int8Array | Int16Array | Uint16Array | Float64Array;

/** Random access to bytes: a file, a map, or a buffer in a browser. */
export interface ByteSource {
  /** Shown in errors. */
  readonly name: string;
  readonly size: number;
  /** Path on disk, where there is one. */
  readonly path?: string;
  /** Exactly `length` bytes from `offset`; throws FormatError past the end. */
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

interface ModelFileBase {
  /** File or folder name, for messages. */
  readonly name: string;
  /** Tensors by their published names. */
  readonly tensors: ReadonlyMap<string, TensorData>;
  close(): void;
}

export interface GgufFile extends ModelFileBase {
  readonly format: 'gguf';
  readonly metadata: ReadonlyMap<string, MetadataValue>;
}

/** A Hugging Face folder: safetensors (single or sharded) with its JSON files. */
export interface SafetensorsFile extends ModelFileBase {
  readonly format: 'safetensors';
  /** Parsed `config.json`. */
  readonly config: Record<string, unknown>;
  /** Parsed `tokenizer.json`, `tokenizer_config.json`, `generation_config.json`, where present. */
  readonly tokenizer?: Record<string, unknown>;
  readonly tokenizerConfig?: Record<string, unknown>;
  readonly generationConfig?: Record<string, unknown>;
  /** Steps of sentence-transformers' `modules.json`, where present: their kinds and the `config.json` of each. */
  readonly modules?: readonly { readonly type: string; readonly config: Record<string, unknown> }[];
  /** `chat_template.jinja`, where the template is a file of its own. */
  readonly chatTemplate?: string;
}

export type ModelFile = GgufFile | SafetensorsFile;
