/** rmsnorm(add(a, b)) -> addrmsnorm(a, b), which also keeps the sum for the next residual. */

import type { Graph, Node, Value } from '../ir.ts';
import { producers, rebuild, type Pass } from './rewrite.ts';

function run(graph: Graph): Graph {
  const made = producers(graph);
  const fused = new Map<Node, Node>();
  for (const node of graph.nodes) {
    const sum = node.inputs[0];
    const add = sum && made.get(sum);
    if (node.op !== 'rmsnorm' || add?.op !== 'add' || fused.has(add)) continue;
    const [a, b] = add.inputs as [Value, Value];
    if (a.shape.length !== b.shape.length || a.shape.some((dim, i) => dim !== b.shape[i])) continue;
    fused.set(add, {
      op: 'addrmsnorm',
      inputs: [a, b, node.inputs[1] ?? null],
      outputs: [sum as Value, node.outputs[0] as Value],
      attrs: node.attrs,
    });
    fused.set(node, node);
  }
  // The fused node stands where the sum was; the norm it absorbed goes.
  const nodes = graph.nodes.flatMap((node) => {
    const other = fused.get(node);
    if (!other) return [node];
    return other === node ? [] : [other];
  });
  return rebuild(graph, nodes, new Map());
}

export const fuseResidual: Pass = {
  name: 'fuse-residual',
  doc: 'a residual add and the rmsnorm that follows become one op',
  run,
};
