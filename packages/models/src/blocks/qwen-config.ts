/** Settings that the Qwen families share. */

import type { ConfigReader } from '../config-reader.ts';
import { readDecoder, type DecoderConfig } from './decoder-config.ts';
import { readQwenWindows, type LayerWindows } from './layer-windows.ts';
import { activationNames, type Activation } from './mlp.ts';
import { readRope, type RopeConfig } from './rope-config.ts';

export interface QwenConfig extends DecoderConfig {
  readonly activation: Activation;
  readonly rope: RopeConfig;
  readonly windows: LayerWindows;
}

export function readQwen(reader: ConfigReader, architecture: string): QwenConfig {
  const decoder = readDecoder(reader, { architecture, tied: false });
  return {
    ...decoder,
    activation: reader.choice({ hf: 'hidden_act' }, activationNames, 'silu'),
    rope: readRope(reader, { ...decoder, interleavedInGguf: false }),
    windows: readQwenWindows(reader, decoder.layers),
  };
}
