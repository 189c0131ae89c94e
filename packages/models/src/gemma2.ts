/**
 * Gemma 2: norms around each block, every other layer with a window, soft caps on scores and logits.
 * @see Gemma team 2024, arXiv:2408.00118
 */

import { defineArchitecture } from './architecture.ts';
import { decoder } from './blocks/decoder.ts';
import {
  gemmaParts,
  readCap,
  readGemma,
  readGemmaScale,
  sandwichNames,
  type GemmaConfig,
} from './blocks/gemma.ts';
import { describeWindows, readLayerWindows, readWindow, type LayerWindows } from './blocks/layer-windows.ts';
import { softCapped } from './blocks/linear.ts';
import { readRope, type RopeConfig } from './blocks/rope-config.ts';
import { sandwich } from './blocks/wirings.ts';
import type { ConfigReader } from './config-reader.ts';

interface Gemma2Config extends GemmaConfig {
  readonly scale: number;
  readonly windows: LayerWindows;
  readonly rope: RopeConfig;
  /** Of attention scores; 0 for none. */
  readonly scoreCap: number;
  readonly logitCap: number;
}

const LAYERS_27B = 46;

export const gemma2 = defineArchitecture<Gemma2Config>({
  name: 'gemma2',
  huggingFace: ['gemma2'],
  gguf: ['gemma2'],
  variants: ['biases-untied', 'capped', 'uncapped'],
  names: sandwichNames,
  readConfig,
  forward: (step, config) =>
    decoder(step, config, {
      ...gemmaParts(step, config),
      wiring: sandwich,
      attention: () => ({ softcap: config.scoreCap }),
      finish: (logits) => softCapped(step, logits, config.logitCap),
    }),
  facts: ({ windows, scoreCap, logitCap }) => ({
    ...describeWindows(windows),
    'soft caps': `scores ${scoreCap}, logits ${logitCap}`,
  }),
});

function readConfig(reader: ConfigReader): Gemma2Config {
  const gemma = readGemma(reader, 'gemma2');
  return {
    ...gemma,
    scale: readGemmaScale(reader, gemma, LAYERS_27B),
    windows: readLayerWindows(reader, gemma.layers, readWindow(reader), (layer) => layer % 2 === 0),
    rope: readRope(reader, { ...gemma, interleavedInGguf: false }),
    scoreCap: readCap(reader, 'attn_logit_softcapping', 50),
    logitCap: readCap(reader, 'final_logit_softcapping', 30),
  };
}
