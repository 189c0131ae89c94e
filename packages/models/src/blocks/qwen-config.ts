/** Settings that the Qwen families share, and the feed-forward layers of those with experts. */

import type { Value } from '@steelyard/graph';
import { limits, type ConfigReader } from '../config-reader.ts';
import type { Step } from '../step.ts';
import { readDecoder, type DecoderConfig } from './decoder-config.ts';
import { readExperts, readSumsToOne, type ExpertsConfig, type Routing } from './expert-config.ts';
import { expertMlp } from './experts.ts';
import { readQwenWindows, type LayerWindows } from './layer-windows.ts';
import { activationNames, gatedMlp, type Activation } from './mlp.ts';
import { readRope, type RopeConfig } from './rope-config.ts';

export interface QwenConfig extends DecoderConfig {
  readonly activation: Activation;
  readonly rope: RopeConfig;
  readonly windows: LayerWindows;
}

/** `isLocal`: which layers have the window, where the file does not list them. */
export function readQwen(
  reader: ConfigReader,
  architecture: string,
  isLocal?: (layer: number, first: number) => boolean,
): QwenConfig {
  const decoder = readDecoder(reader, { architecture, tied: false });
  return {
    ...decoder,
    activation: reader.choice({ hf: 'hidden_act' }, activationNames, 'silu'),
    rope: readRope(reader, { ...decoder, interleavedInGguf: false }),
    windows: readQwenWindows(reader, decoder.layers, isLocal),
  };
}

export interface QwenMoeConfig extends QwenConfig {
  readonly experts: ExpertsConfig;
  readonly routing: Routing;
  /** Whether each layer has experts. */
  readonly sparse: readonly boolean[];
}

/** `inGguf`: whether weights add up to one in GGUF files, which do not say. */
export function readQwenExperts(
  reader: ConfigReader,
  { feedForward, layers }: QwenConfig,
  inGguf: boolean,
): Pick<QwenMoeConfig, 'experts' | 'routing' | 'sparse'> {
  return {
    experts: readExperts(reader, { width: feedForward }),
    routing: { score: 'softmax', normalise: readSumsToOne(reader, inGguf) ? 'sum' : 'none' },
    sparse: readSparseLayers(reader, layers),
  };
}

/** Every `decoder_sparse_step`-th layer less `mlp_only_layers`; of GGUF files those with a router. */
function readSparseLayers(reader: ConfigReader, layers: number): boolean[] {
  const all = Array.from({ length: layers }, (_, layer) => layer);
  if (reader.format === 'gguf') {
    return all.map((layer) => reader.tensorRows(`blk.${layer}.ffn_gate_inp.weight`) !== undefined);
  }
  const every = reader.integer({ hf: 'decoder_sparse_step' }, { min: 1, max: limits.layers, fallback: 1 });
  const dense = reader.integers({ hf: 'mlp_only_layers' }) ?? [];
  return all.map((layer) => !dense.includes(layer) && (layer + 1) % every === 0);
}

/** Routed experts, or the MLP of a layer without them. */
export function feedQwen(step: Step, x: Value, block: string, layer: number, config: QwenMoeConfig): Value {
  const { experts, routing, sparse, activation, feedForward } = config;
  if (sparse[layer]) return expertMlp(step, x, block, { ...experts, routing, activation });
  return gatedMlp(step, x, block, { width: feedForward, activation });
}
