/**
 * Marks the matmuls, of routed experts too, that stand 8-bit activations: those around an activation function and behind
 * attention. On real models they add a mean KL divergence of about 0.001, the projections to q, k and v and the head as
 * much again (docs/quality.md); those keep 16 bits, and so does what makes the steps and weights of a selective scan,
 * which lets errors live on in its state.
 */

import type { Graph, Node, Value } from '../ir.ts';
import { opDefinition } from '../ops/index.ts';
import { producers, type Pass } from './rewrite.ts';

const activations = new Set(['glu', 'silu', 'gelu']);
const products = new Set(['matmul', 'expertmatmul']);

function isView(node: Node): boolean {
  return opDefinition(node.op).view === true;
}

function run(graph: Graph): Graph {
  const made = producers(graph);
  const uses = new Map<Value, Node[]>();
  for (const node of graph.nodes) {
    for (const input of new Set(node.inputs)) {
      if (input) uses.set(input, [...(uses.get(input) ?? []), node]);
    }
  }
  const producer = (value: Value): Node | undefined => {
    const node = made.get(value);
    return node && isView(node) ? producer(node.inputs[0] as Value) : node;
  };
  const readers = (value: Value): Node[] =>
    (uses.get(value) ?? []).flatMap((node) => (isView(node) ? readers(node.outputs[0] as Value) : [node]));
  const narrow = (node: Node): boolean => {
    const from = producer(node.inputs[0] as Value);
    if (from && activations.has(from.op)) return producer(from.inputs[0] as Value)?.op !== 'shortconv';
    if (from?.op === 'attention') return true;
    const to = readers(node.outputs[0] as Value);
    return to.length > 0 && to.every(({ op }) => activations.has(op));
  };
  const nodes = graph.nodes.map((node) =>
    products.has(node.op) && node.attrs['transposed'] && narrow(node)
      ? { ...node, attrs: { ...node.attrs, narrow: true } }
      : node,
  );
  return { ...graph, nodes };
}

export const narrowActivations: Pass = {
  name: 'narrow-activations',
  doc: 'matmuls around activations and behind attention may round their x to 8 bits',
  run,
};
