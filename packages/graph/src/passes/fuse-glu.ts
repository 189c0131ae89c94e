/** mul(activation(gate), up) -> glu(gate, up): one pass over memory instead of two. */

import type { Graph, Node, Value } from '../ir.ts';
import { producers, rebuild, useCounts, type Pass } from './rewrite.ts';

/** Of `glu`, where it is nothing but activation and product. */
const PLAIN = { alpha: 1, limit: 0, offset: 0 };

function activationOf(node: Node | undefined): string | undefined {
  if (node?.op === 'silu') return 'silu';
  if (node?.op === 'gelu') return node.attrs['approximate'] === 'tanh' ? 'gelu_tanh' : 'gelu';
  return undefined;
}

function sameShape(a: Value, b: Value): boolean {
  return a.shape.length === b.shape.length && a.shape.every((dim, i) => dim === b.shape[i]);
}

function run(graph: Graph): Graph {
  const made = producers(graph);
  const uses = useCounts(graph);
  const nodes = graph.nodes.map((node): Node => {
    if (node.op !== 'mul') return node;
    const [a, b] = node.inputs as [Value, Value];
    for (const [gated, up] of [
      [a, b],
      [b, a],
    ] as const) {
      const activation = activationOf(made.get(gated));
      if (!activation || uses.get(gated) !== 1 || !sameShape(gated, up)) continue;
      const gate = (made.get(gated) as Node).inputs[0] as Value;
      return { op: 'glu', inputs: [gate, up], outputs: node.outputs, attrs: { ...PLAIN, activation } };
    }
    return node;
  });
  return rebuild(graph, nodes, new Map());
}

export const fuseGlu: Pass = { name: 'fuse-glu', doc: 'activation(gate) * up becomes one op', run };
