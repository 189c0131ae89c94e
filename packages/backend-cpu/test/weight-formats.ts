/** Storage formats of weights, by how the kernels take them. */

import type { DType } from '@steelyard/graph';

/** Blocks that are repacked to panels. */
export const panelBlocks: readonly DType[] = [
  ...(['q4_0', 'q4_1', 'q5_0', 'q5_1', 'q8_0'] as const),
  ...(['q4_k', 'q5_k', 'q6_k', 'iq4_nl', 'iq4_xs', 'mxfp4'] as const),
];
/** All that is repacked. */
export const panelFormats: readonly DType[] = [...panelBlocks, 'f16', 'bf16'];
