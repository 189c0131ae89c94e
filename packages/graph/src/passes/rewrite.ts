/** What passes share: uses of values, replacing values, and dropping nodes that nothing needs. */

import type { Graph, Node, Value } from '../ir.ts';
import { opDefinition } from '../ops/index.ts';

/** A pass: a small pure function from graph to graph. */
export interface Pass {
  readonly name: string;
  /** One sentence for `explain`. */
  readonly doc: string;
  run(graph: Graph): Graph;
}

/** The node that computes each value. */
export function producers(graph: Graph): Map<Value, Node> {
  const map = new Map<Value, Node>();
  for (const node of graph.nodes) for (const output of node.outputs) map.set(output, node);
  return map;
}

/** How often each value is read, graph outputs included. */
export function useCounts(graph: Graph): Map<Value, number> {
  const counts = new Map<Value, number>();
  const count = (value: Value | null): void => {
    if (value) counts.set(value, (counts.get(value) ?? 0) + 1);
  };
  for (const node of graph.nodes) node.inputs.forEach(count);
  Object.values(graph.outputs).forEach(count);
  return counts;
}

/** A new id above every id in the graph. */
export function nextId(graph: Graph): number {
  let top = -1;
  for (const value of graph.sources) top = Math.max(top, value.id);
  for (const node of graph.nodes) for (const output of node.outputs) top = Math.max(top, output.id);
  return top + 1;
}

/**
 * The graph with `nodes`, every use of a key of `replaced` turned into its value, and nodes without use
 * dropped. Nodes that change a state are always kept.
 */
export function rebuild(graph: Graph, nodes: readonly Node[], replaced: ReadonlyMap<Value, Value>): Graph {
  const resolve = (value: Value): Value => {
    let found = value;
    for (let next = replaced.get(found); next; next = replaced.get(found)) found = next;
    return found;
  };
  const rewired = nodes.map((node) => ({ ...node, inputs: node.inputs.map((v) => v && resolve(v)) }));
  const outputs = Object.fromEntries(Object.entries(graph.outputs).map(([name, v]) => [name, resolve(v)]));
  return dropUnused({ ...graph, nodes: rewired, outputs });
}

function dropUnused(graph: Graph): Graph {
  const wanted = new Set<Value>(Object.values(graph.outputs));
  const kept: Node[] = [];
  for (const node of [...graph.nodes].reverse()) {
    const { aliases, view } = opDefinition(node.op);
    if (!node.outputs.some((v) => wanted.has(v)) && (view || !aliases)) continue;
    for (const input of node.inputs) if (input) wanted.add(input);
    kept.push(node);
  }
  const sources = graph.sources.filter((v) => v.storage !== 'weight' || wanted.has(v));
  return { ...graph, sources, nodes: kept.reverse() };
}
