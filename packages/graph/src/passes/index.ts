/** The passes in the order in which backends run them before they plan memory. */

import type { Graph } from '../ir.ts';
import { fuseGlu } from './fuse-glu.ts';
import { fuseResidual } from './fuse-residual.ts';
import { mergeMatmuls } from './merge-matmuls.ts';
import type { Pass } from './rewrite.ts';

export const passes: readonly Pass[] = [fuseGlu, fuseResidual, mergeMatmuls];

/** Runs every pass; `observe` sees the graph after each. */
export function optimise(graph: Graph, observe?: (pass: Pass, after: Graph) => void): Graph {
  return passes.reduce((before, pass) => {
    const after = pass.run(before);
    observe?.(pass, after);
    return after;
  }, graph);
}
