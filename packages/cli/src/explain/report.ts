/** The parts of `explain` as text: dumps of the graph and tables of costs. */

import { dumpGraph, type Graph } from '@steelyard/graph';
import { formatBytes, formatCount } from '../terminal/format.ts';
import type { Style } from '../terminal/style.ts';
import { renderTable } from '../terminal/table.ts';
import { collapseRepeats } from './collapse.ts';
import type { Cost, StepCosts } from './costs.ts';

/** The graph's text; repeated layers once unless `full`, sources left out where `before` has the same. */
export function graphText(graph: Graph, before: Graph | undefined, full: boolean, style: Style): string {
  const all = dumpGraph(graph).split('\n');
  const lines = before && sameSources(graph, before) ? all.slice(graph.sources.length) : all;
  if (full) return lines.join('\n');
  return collapseRepeats(lines)
    .flatMap(({ lines: shown, times }) =>
      times === 1
        ? shown.map((line) => `  ${line}`)
        : [
            ...shown.map((line) => `${style.cyan('│')} ${line}`),
            style.cyan(`└ ${times} times, with other numbers`),
          ],
    )
    .join('\n');
}

function sameSources(a: Graph, b: Graph): boolean {
  return a.sources.length === b.sources.length && a.sources.every((value, i) => value === b.sources[i]);
}

/** `289 nodes: 60 add, 121 matmul, ...` */
export function nodeSummary(graph: Graph): string {
  const counts = new Map<string, number>();
  for (const node of graph.nodes) counts.set(node.op, (counts.get(node.op) ?? 0) + 1);
  const parts = [...counts].sort((a, b) => b[1] - a[1]).map(([op, count]) => `${count} ${op}`);
  return `${graph.nodes.length} nodes: ${parts.join(', ')}`;
}

/** Tables by op and by group of weights, largest first. */
export function costTables(title: string, costs: StepCosts, style: Style): string {
  const header = ['', 'nodes', 'operations', '', 'weights', 'cache', 'activations', 'bytes', ''];
  const right = [1, 2, 3, 4, 5, 6, 7, 8];
  const rows = (costs_: ReadonlyMap<string, Cost>): string[][] =>
    [...costs_]
      .sort(([, a], [, b]) => bytesOf(b) - bytesOf(a) || b.flops - a.flops)
      .map(([name, cost]) => costRow(name, cost, costs.total));
  return [
    style.bold(title),
    renderTable(
      [['by op', ...header.slice(1)], ...rows(costs.byOp), costRow('total', costs.total, costs.total)],
      {
        right,
        indent: '  ',
      },
    ),
    '',
    renderTable(
      [
        ['by weight', 'uses', 'operations', '', 'bytes', ''],
        ...[...costs.byWeight]
          .sort(([, a], [, b]) => b.weightBytes - a.weightBytes)
          .map(([name, cost]) => [
            name,
            String(cost.count),
            formatCount(cost.flops),
            share(cost.flops, costs.total.flops),
            formatBytes(cost.weightBytes),
            share(cost.weightBytes, costs.total.weightBytes),
          ]),
      ],
      { right: [1, 2, 3, 4, 5], indent: '  ' },
    ),
  ].join('\n');
}

export function bytesOf(cost: Cost): number {
  return cost.weightBytes + cost.stateBytes + cost.otherBytes;
}

function costRow(name: string, cost: Cost, total: Cost): string[] {
  return [
    name,
    String(cost.count),
    formatCount(cost.flops),
    share(cost.flops, total.flops),
    formatBytes(cost.weightBytes),
    formatBytes(cost.stateBytes),
    formatBytes(cost.otherBytes),
    formatBytes(bytesOf(cost)),
    share(bytesOf(cost), bytesOf(total)),
  ];
}

function share(part: number, whole: number): string {
  return whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)}%`;
}
