/** Text form of a graph, one line per node: for tests, `explain`, and reading. */

import { formatType, type Graph, type Value } from './ir.ts';

function label(value: Value | null): string {
  if (!value) return '-';
  return value.storage === 'temporary' ? `%${value.id}` : value.name;
}

/** `%12 [T, 576] f32 = rmsnorm(%11, blk.0.attn_norm.weight) eps=0.00001` */
export function dumpGraph(graph: Graph): string {
  const lines = graph.sources.map((v) => `${v.storage} ${v.name} ${formatType(v)}`);
  for (const node of graph.nodes) {
    const results = node.outputs.map((v) => `${label(v)} ${formatType(v)}`).join(', ');
    const attrs = Object.entries(node.attrs).map(
      ([key, v]) => ` ${key}=${Array.isArray(v) ? `[${v.join(', ')}]` : String(v as number)}`,
    );
    lines.push(`${results} = ${node.op}(${node.inputs.map(label).join(', ')})${attrs.join('')}`);
  }
  for (const [name, value] of Object.entries(graph.outputs)) lines.push(`output ${name} ${label(value)}`);
  return lines.join('\n');
}
