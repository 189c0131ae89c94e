/** The passes in the order in which backends run them before they plan memory. */

import type { Graph } from '../ir.ts';
import { fuseGlu } from './fuse-glu.ts';
import { fuseResidual } from './fuse-residual.ts';
import { mergeMatmuls } from './merge-matmuls.ts';
import { narrowActivations } from './narrow-activations.ts';
import type { Pass } from './rewrite.ts';

export { narrowActivations };

export const passes: readonly Pass[] = [fuseGlu, fuseResidual, mergeMatmuls, narrowActivations];

/** Runs the passes; `observe` sees the graph after each. */
export function optimise(
  graph: Graph,
  observe?: (pass: Pass, after: Graph) => void,
  chosen: readonly Pass[] = passes,
): Graph {
  return chosen.reduce((before, pass) => {
    const after = pass.run(before);
    observe?.(pass, after);
    return after;
  }, graph);
}
