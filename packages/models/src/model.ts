/** What the engine, `show` and `explain` see of a model; how each architecture reads its files is not here. */

import type { DType, Graph, TensorData } from '@steelyard/graph';
import type { Pooling } from './pooling.ts';

/** Facts that every architecture has. All counts are whole numbers, checked when the file is read. */
export interface ModelConfig {
  /** Name in the registry. */
  readonly architecture: string;
  /** Rows of the embedding table and columns of the logits; may exceed the tokenizer's vocabulary. */
  readonly vocabSize: number;
  /** Positions the model was made for, tokens. */
  readonly contextLength: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** Elements of a query and key head. */
  readonly headDim: number;
  /** False for encoders, in which a token sees its whole sequence; default true. */
  readonly causal?: boolean;
  /** Elements of a value head where they are not `headDim`. */
  readonly valueDim?: number;
}

/** One paged cache tensor: the engine allocates `[N, heads, pageSize, dim]`. */
export interface KvState {
  /** Name of the state in the graph: `kv.<layer>.k`, `kv.<layer>.v`. */
  readonly name: string;
  readonly heads: number;
  readonly dim: number;
}

export interface KvSpec {
  readonly states: readonly KvState[];
}

/** A state that sequences carry from token to token, float32: the engine allocates `[R, rows, channels]`. */
export interface RecurrentState {
  /** Name of the state in the graph. */
  readonly name: string;
  readonly rows: number;
  readonly channels: number;
}

/**
 * What a graph ends with: logits [V, vocabSize], hidden states after the last norm [V, hiddenSize], or the score of two
 * texts [V, 1], of which that of their first token counts.
 */
export type Output = 'logits' | 'hidden' | 'score';

export interface LoadOptions {
  /** Tokens per page of the KV cache. */
  readonly pageSize: number;
  /** Storage format of the KV cache. */
  readonly kvDType: DType;
  /** What the graph computes of the wanted rows; default logits. */
  readonly output?: Output;
  /** Positions that sequences will have at most; default the model's own. Some ropes differ for short contexts. */
  readonly contextLength?: number;
}

/** A model ready to be compiled. The file that its weights lie in must stay open as long as it is used. */
export interface LoadedModel {
  readonly config: ModelConfig;
  /**
   * One step. Inputs, all i32: `tokens` [T], `positions` [T], `sequences` [T], `slots` [T] (cache slots of the
   * new tokens), `pages` [S, P], `rows` [V] (tokens of this step whose logits are wanted), and where there are
   * recurrent states `stateSlots` [S], and where two texts are scored `textTypes` [T] (0 in the first, 1 in the second).
   * States: those of `kv` and `recurrent`. Output, f32: what was asked for, by its name.
   */
  readonly graph: Graph;
  /** Exactly the graph's weights by canonical name, less its constants. */
  readonly weights: ReadonlyMap<string, TensorData>;
  readonly kv: KvSpec;
  /** Empty for models whose only memory is the cache. A sequence at position 0 begins anew, whatever its slot holds. */
  readonly recurrent: readonly RecurrentState[];
  /** How the file's maker pools hidden states to one vector, where these were asked for and the file says it. */
  readonly pooling?: Pooling;
  /** Elements of all weights. */
  readonly parameterCount: number;
  /** Bytes of all weights as stored. */
  readonly weightBytes: number;
  /** What `show` prints besides the config: `rope scaling: llama3, factor 32`. */
  readonly facts: Readonly<Record<string, string>>;
}
