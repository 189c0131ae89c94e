/**
 * Matmuls that read the same x become one with several weights, its columns taken apart by views:
 * q, k and v, and gate and up, cost one pass over x and one barrier.
 */

import type { Graph, Node, Value } from '../ir.ts';
import { nextId, rebuild, type Pass } from './rewrite.ts';

function mergeable(node: Node): boolean {
  return node.op === 'matmul' && node.attrs['transposed'] === true && node.inputs[1] === null;
}

function run(graph: Graph): Graph {
  const groups = new Map<Value, Node[]>();
  for (const node of graph.nodes.filter(mergeable)) {
    const x = node.inputs[0] as Value;
    groups.set(x, [...(groups.get(x) ?? []), node]);
  }
  let id = nextId(graph);
  const replacement = new Map<Node, Node[]>();
  for (const [x, group] of groups) {
    if (group.length < 2) continue;
    const widths = group.map((node) => node.outputs[0]?.shape[1] as number);
    const total = widths.reduce((a, b) => a + b, 0);
    const joint: Value = {
      id: id++,
      storage: 'temporary',
      name: '',
      dtype: 'f32',
      shape: [x.shape[0] as number, total],
    };
    const weights = group.flatMap((node) => node.inputs.slice(2));
    const nodes: Node[] = [
      { op: 'matmul', inputs: [x, null, ...weights], outputs: [joint], attrs: { transposed: true } },
    ];
    let start = 0;
    group.forEach((node, i) => {
      const length = widths[i] as number;
      nodes.push({ op: 'slice', inputs: [joint], outputs: node.outputs, attrs: { start, length } });
      start += length;
      replacement.set(node, i === 0 ? nodes : []);
    });
  }
  return rebuild(
    graph,
    graph.nodes.flatMap((node) => replacement.get(node) ?? [node]),
    new Map(),
  );
}

export const mergeMatmuls: Pass = {
  name: 'merge-matmuls',
  doc: 'matmuls over the same x become one with several weights',
  run,
};
