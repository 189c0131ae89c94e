/**
 * One step of a model while it is traced: the builder, the inputs that every step graph has, and the weights
 * and cache states that `forward` asks for, which are declared as they are asked for.
 */

import { createBuilder, type Builder, type Graph, type TensorData, type Value } from '@steelyard/graph';
import { decodeFloat32 } from './float32-data.ts';
import type { ScaleBlocks } from './quantisation.ts';
import type { KvState, LoadOptions } from './model.ts';
import type { Stored, WeightSource } from './weight-source.ts';

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
  readonly #source: WeightSource;
  readonly #options: LoadOptions;
  readonly #declared = new Map<string, Value>();

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

  /** What the graph ends with: logits of the wanted rows, or their hidden states after the last norm. */
  get output(): 'logits' | 'hidden' {
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
    const data = this.#source.get(name, shape, stored);
    const value = this.g.weight(name, shape, data.dtype);
    this.weights.set(name, data);
    this.#declared.set(name, value);
    return value;
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

  /** A paged cache tensor [N, heads, pageSize, dim]. */
  state(name: string, heads: number, dim: number): Value {
    this.states.push({ name, heads, dim });
    return this.g.state(name, ['N', heads, this.#options.pageSize, dim], this.#options.kvDType);
  }

  finish(result: Value): Graph {
    this.g.output(this.output, result);
    return this.g.finish();
  }
}
