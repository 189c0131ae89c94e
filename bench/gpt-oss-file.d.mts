import type * as formats from '@steelyard/formats';
import type * as graph from '@steelyard/graph';

export interface GptOssShape {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly experts: number;
  readonly used: number;
  readonly vocab: number;
  readonly context: number;
}

export const GPT_OSS_20B: GptOssShape;

export function writeGptOss(
  path: string,
  shape: GptOssShape,
  formatsPackage: Pick<typeof formats, 'ggufPieces'>,
  graphPackage: Pick<typeof graph, 'byteLength'>,
): number;
