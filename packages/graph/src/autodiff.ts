/**
 * Reverse-mode differentiation of what a builder has recorded, by each op's own gradient rule.
 * Adds nodes to the same builder, so forward and backward are one graph and passes see both.
 */

import { UnsupportedError } from '@steelyard/core';
import type { Builder } from './builder.ts';
import type { Value } from './ir.ts';
import { opDefinition } from './ops/index.ts';

/**
 * Vector-Jacobian products: given `seeds`, the gradients of some values (a loss's is 1), returns the gradient
 * of each of `targets`, null where nothing depends on it.
 * @throws UnsupportedError when an op on the way has no gradient rule
 */
export function gradients(
  g: Builder,
  seeds: ReadonlyMap<Value, Value>,
  targets: readonly Value[],
): (Value | null)[] {
  const wanted = dependents(g, targets);
  const known = new Map(seeds);
  for (const node of [...g.recorded()].reverse()) {
    const grads = node.outputs.map((output) => known.get(output) ?? null);
    if (grads.every((grad) => !grad) || !node.outputs.some((output) => wanted.has(output))) continue;
    const definition = opDefinition(node.op);
    if (!definition.gradient) throw new UnsupportedError(`${node.op} has no gradient rule; see the op table`);
    const isWanted = (operand: Value): boolean => wanted.has(operand);
    definition.gradient(g, node, grads, node.attrs, isWanted).forEach((grad, i) => {
      const input = node.inputs[i];
      if (!grad || !input || !wanted.has(input)) return;
      const other = known.get(input);
      known.set(input, other ? g.add(other, grad) : grad);
    });
  }
  return targets.map((target) => known.get(target) ?? null);
}

/** Every value that depends on a target, targets included. */
function dependents(g: Builder, targets: readonly Value[]): Set<Value> {
  const found = new Set(targets);
  for (const node of g.recorded()) {
    if (node.inputs.some((v) => v && found.has(v))) node.outputs.forEach((v) => found.add(v));
  }
  return found;
}
