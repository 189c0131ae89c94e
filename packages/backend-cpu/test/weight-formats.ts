import type { DType } from '@steelyard/graph';

/** Storage formats of weights that are repacked to panels. */
export const panelFormats: readonly DType[] = [
  ...(['q4_0', 'q4_1', 'q5_0', 'q5_1', 'q8_0', 'q4_k', 'q5_k', 'q6_k'] as const),
  ...(['iq4_nl', 'iq4_xs', 'mxfp4', 'f16', 'bf16'] as const),
];
