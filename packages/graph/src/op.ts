/** What an op is: one definition holds everything that any layer needs to know of it. */

import type { DType } from './dtypes/index.ts';
import type { Node, Shape, TensorType, Value } from './ir.ts';
import type { Random } from './random.ts';
import type { ReferenceTensor } from './reference-tensor.ts';

/** `shape` attributes exist in TypeScript only: kernels read shapes from their operands. */
export type AttrKind = 'i32' | 'f32' | 'bool' | 'shape' | readonly string[];
export type AttrSchema = Readonly<Record<string, AttrKind>>;
export type AttrValue = number | boolean | string | Shape;

type AttrOf<K extends AttrKind> = K extends 'bool'
  ? boolean
  : K extends 'shape'
    ? Shape
    : K extends readonly (infer E)[]
      ? E
      : number;
/** Flags that are left out are false. */
export type AttrsOf<S extends AttrSchema> = {
  readonly [K in keyof S as S[K] extends 'bool' ? never : K]: AttrOf<S[K]>;
} & { readonly [K in keyof S as S[K] extends 'bool' ? K : never]?: boolean };

/** Types with every dim bound. */
export interface BoundType {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** A random but valid operand for property tests. */
export interface SampleTensor extends BoundType {
  /** Values drawn from a normal distribution unless given; required for i32. */
  readonly values?: Float32Array | Int32Array;
}

export interface Sample<S extends AttrSchema = AttrSchema> {
  readonly inputs: readonly (SampleTensor | null)[];
  readonly attrs: AttrsOf<S>;
}

/** The part of the builder that gradient rules may use; ops are named by string to keep types acyclic. */
export interface OpApplier {
  apply(op: string, operands: readonly (Value | null)[], attrs?: Readonly<Record<string, AttrValue>>): Value;
  applyAll(
    op: string,
    operands: readonly (Value | null)[],
    attrs?: Readonly<Record<string, AttrValue>>,
  ): Value[];
}

export interface OpDefinition<
  S extends AttrSchema = AttrSchema,
  R extends readonly string[] = readonly string[],
> {
  readonly name: string;
  /** One sentence for the op table in the docs. */
  readonly doc: string;
  /** Paper or file the formula comes from. */
  readonly see?: string;
  /** Operand names in order; `name?` may be absent (null), a last `name...` takes one or more. */
  readonly operands: readonly string[];
  readonly results: R;
  readonly attrs: S;
  /**
   * Result i is a view of operand `aliases[i]`: the same memory, no work. In an op that computes, [0]: its first operand
   * is a state, which it changes in place.
   */
  readonly aliases?: readonly number[];
  /** True when the op is only a view and needs no kernel. */
  readonly view?: true;
  /** Shape and dtype rule. @throws ShapeError saying which operand is wrong */
  infer(inputs: readonly (TensorType | null)[], attrs: AttrsOf<S>): TensorType[];
  /** Multiply-adds count as two. Absent: one per output element. */
  flops?(inputs: readonly (BoundType | null)[], outputs: readonly BoundType[], attrs: AttrsOf<S>): number;
  /** The plain definition, float64 accumulation; writes every element of `outputs`. */
  reference(
    inputs: readonly (ReferenceTensor | null)[],
    outputs: readonly ReferenceTensor[],
    attrs: AttrsOf<S>,
  ): void;
  /**
   * Gradient rule: given the gradients of the results (null where unused), the gradient of each operand,
   * null where it has none. `wanted` says of which there is use; rules need to heed it only where others cost.
   * Absent: the op is not differentiable.
   */
  gradient?(
    g: OpApplier,
    node: Node,
    grads: readonly (Value | null)[],
    attrs: AttrsOf<S>,
    wanted: (operand: Value) => boolean,
  ): readonly (Value | null)[];
  /** Draws a valid case; the test suite runs it on every backend. */
  sample(random: Random): Sample<S>;
}

/** Infers an op's attribute and result types from its definition. */
export function defineOp<const S extends AttrSchema, const R extends readonly string[]>(
  definition: OpDefinition<S, R>,
): OpDefinition<S, R> {
  return definition;
}
