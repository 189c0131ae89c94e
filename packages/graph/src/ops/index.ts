/** The op table: the single list of ops. A line's place is its number on the tape; append, never reorder. */

import { ShapeError } from '@steelyard/core';
import type { OpDefinition } from '../op.ts';
import { add } from './add.ts';
import { addrmsnorm } from './addrmsnorm.ts';
import { attention } from './attention.ts';
import { combine } from './combine.ts';
import { concat } from './concat.ts';
import { expertmatmul } from './expertmatmul.ts';
import { gather } from './gather.ts';
import { gelu } from './gelu.ts';
import { glu } from './glu.ts';
import { kvwrite } from './kvwrite.ts';
import { layernorm } from './layernorm.ts';
import { matmul } from './matmul.ts';
import { mul } from './mul.ts';
import { outersum } from './outersum.ts';
import { reshape } from './reshape.ts';
import { rmsnorm } from './rmsnorm.ts';
import { rope } from './rope.ts';
import { route } from './route.ts';
import { scale } from './scale.ts';
import { selectivescan } from './selectivescan.ts';
import { shortconv } from './shortconv.ts';
import { sigmoid } from './sigmoid.ts';
import { silu } from './silu.ts';
import { slice } from './slice.ts';
import { split } from './split.ts';
import { sub } from './sub.ts';
import { sumto } from './sumto.ts';
import { tanh } from './tanh.ts';
import { temper } from './temper.ts';

export const ops = {
  reshape,
  slice,
  add,
  sub,
  mul,
  scale,
  sumto,
  tanh,
  sigmoid,
  silu,
  gelu,
  gather,
  matmul,
  rmsnorm,
  layernorm,
  rope,
  kvwrite,
  attention,
  addrmsnorm,
  glu,
  route,
  expertmatmul,
  combine,
  temper,
  split,
  concat,
  shortconv,
  selectivescan,
  outersum,
} as const;

export type OpName = keyof typeof ops;

/** @throws ShapeError when there is no such op */
export function opDefinition(name: string): OpDefinition {
  const definition = (ops as Readonly<Record<string, unknown>>)[name] as OpDefinition | undefined;
  if (!definition)
    throw new ShapeError(`there is no op ${name}; the table has ${Object.keys(ops).join(', ')}`);
  return definition;
}

/** An op's number on the tape. */
export function opCode(name: string): number {
  return Object.keys(ops).indexOf(name);
}
