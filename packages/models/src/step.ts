/**
 * One step of a model while it is traced: the builder, the inputs that every step graph has, and the weights
 * and cache states that `forward` asks for, which are declared as they are asked for.
 */

import { UnsupportedError } from '@steelyard/core';
import {
  createBuilder,
  dtypeInfo,
  type Builder,
  type Graph,
  type TensorData,
  type Value,
} from '@steelyard/graph';
import { decodeFloat32, transposedFloat32 } from './float32-data.ts';
import type { ScaleBlocks } from './quantisation.ts';
import type { KvState, LoadOptions, Output, RecurrentState } from './model.ts';
import type { Stored, WeightSource } from './weight-source.ts';

/** How a file holds a weight that the graph has transposed. */
export interface TransposedWeight {
  readonly stored?: Stored;
  readonly change?: (value: number) => number;
}

export class Step {
  readonly g: Builder;
  /** [T] each: token ids, places in their sequences, rows of `pages`, cache slots. */
  readonly tokens: Value;
  readonly positions: Value;
  readonly sequences: Value;
  readonly slots: Value;
  /** [S, P] */
  readonly pages: Value;
  /** [V] tokens of this step whose logits are wanted. */
  readonly rows: Value;
  readonly weights = new Map<string, TensorData>();
  readonly states: KvState[] = [];
  readonly recurrent: RecurrentState[] = [];
  readonly #source: WeightSource;
  readonly #options: LoadOptions;
  readonly #declared = new Map<string, Value>();
  #stateSlots: Value | undefined;
  #textTypes: Value | undefined;

  constructor(name: string, source: WeightSource, options: LoadOptions) {
    this.#source = source;
    this.#options = options;
    this.g = createBuilder(name);
    this.tokens = this.g.input('tokens', ['T'], 'i32');
    this.positions = this.g.input('positions', ['T'], 'i32');
    this.sequences = this.g.input('sequences', ['T'], 'i32');
    this.slots = this.g.input('slots', ['T'], 'i32');
    this.pages = this.g.input('pages', ['S', 'P'], 'i32');
    this.rows = this.g.input('rows', ['V'], 'i32');
  }

  get output(): Output {
    return this.#options.output ?? 'logits';
  }

  /** Positions that sequences will have at most, where the caller knows. */
  get contextLength(): number | undefined {
    return this.#options.contextLength;
  }

  /** Which kind of file the weights come from; some layouts differ. */
  get format(): 'gguf' | 'safetensors' {
    return this.#source.format;
  }

  hasWeight(name: string): boolean {
    return this.#source.has(name);
  }

  /** Rows and columns that share a factor, in weights that have `.scales`. */
  get blocks(): ScaleBlocks | undefined {
    return this.#source.blocks;
  }

  /** A weight of the graph; asked for twice (tied embeddings), it is the same value. */
  weight(name: string, shape: readonly number[], stored?: Stored): Value {
    const known = this.#declared.get(name);
    if (known) return known;
    return this.#declare(name, this.#source.get(name, shape, stored));
  }

  /** A weight that files hold as [rows, columns], as float32 [columns, rows], changed element by element. */
  transposedWeight(name: string, shape: readonly [number, number], options: TransposedWeight = {}): Value {
    const { stored, change = (value) => value } = options;
    return this.#declare(name, transposedFloat32(this.#source.get(name, shape, stored), change));
  }

  /** Contents of a small tensor that is needed now, at load, and not by the graph; undefined when absent. */
  readTable(name: string, shape: readonly number[]): Float32Array | undefined {
    return this.#source.has(name) ? decodeFloat32(this.#source.get(name, shape)) : undefined;
  }

  ignoreWeight(name: string): void {
    this.#source.ignore(name);
  }

  /** Declares that what the file calls so is rightly not used. */
  ignorePublished(names: RegExp): void {
    this.#source.ignorePublished(names);
  }

  /**
   * A paged cache tensor [N, heads, pageSize, dim].
   * @throws UnsupportedError when the cache's format has blocks that do not divide `dim`
   */
  state(name: string, heads: number, dim: number): Value {
    const { pageSize, kvDType } = this.#options;
    const { blockSize } = dtypeInfo(kvDType);
    if (dim % blockSize !== 0) {
      throw new UnsupportedError(
        `a KV cache in ${kvDType} has blocks of ${blockSize} elements, which do not divide this model's heads of ${dim}; ` +
          `keep the cache in f16 (kvDType, --kv-cache-dtype)`,
      );
    }
    this.states.push({ name, heads, dim });
    return this.g.state(name, ['N', heads, pageSize, dim], kvDType);
  }

  /** [S], each sequence's slot of recurrent states; an input of the graphs that have some. */
  get stateSlots(): Value {
    this.#stateSlots ??= this.g.input('stateSlots', ['S'], 'i32');
    return this.#stateSlots;
  }

  /** [T], 0 for tokens of the first text and 1 for those of the second; an input of the graphs that score two texts. */
  get textTypes(): Value {
    this.#textTypes ??= this.g.input('textTypes', ['T'], 'i32');
    return this.#textTypes;
  }

  /** A state [R, rows, channels] of which each running sequence has a slot. */
  recurrentState(name: string, rows: number, channels: number): Value {
    this.recurrent.push({ name, rows, channels });
    return this.g.state(name, ['R', rows, channels], 'f32');
  }

  #declare(name: string, data: TensorData): Value {
    const value = this.g.weight(name, data.shape, data.dtype);
    this.weights.set(name, data);
    this.#declared.set(name, value);
    return value;
  }

  finish(result: Value): Graph {
    this.g.output(this.output, result);
    return this.g.finish();
  }
}
