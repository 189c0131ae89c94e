/**
 * Gemma 3, text: norms around each block, normalised heads, five layers with a window to one without, each kind
 * with its own rope. Files with a vision tower are not read.
 * @see Gemma team 2025, arXiv:2503.19786
 */

import type { Value } from '@steelyard/graph';
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
import {
  describeScaling,
  readRope,
  readRopeSection,
  thetaRule,
  type RopeConfig,
} from './blocks/rope-config.ts';
import { createRope } from './blocks/rope.ts';
import { sandwich } from './blocks/wirings.ts';
import { limits, type ConfigReader } from './config-reader.ts';
import type { Step } from './step.ts';

interface Gemma3Config extends GemmaConfig {
  readonly scale: number;
  readonly windows: LayerWindows;
  readonly localRope: RopeConfig;
  readonly globalRope: RopeConfig;
  readonly logitCap: number;
}

/** Every sixth layer sees all tokens, where the file does not say. */
const PATTERN = 6;
const LAYERS_27B = 62;

export const gemma3 = defineArchitecture<Gemma3Config>({
  name: 'gemma3',
  huggingFace: ['gemma3_text'],
  gguf: ['gemma3'],
  variants: ['biases-untied', 'linear-softcap', 'local-global'],
  names: sandwichNames,
  readConfig,
  forward,
  facts: ({ globalRope, localRope, windows }) => ({
    'rope theta': `${globalRope.theta}, in windowed layers ${localRope.theta}`,
    'rope scaling': describeScaling(globalRope.scaling),
    ...describeWindows(windows),
  }),
});

function readConfig(reader: ConfigReader): Gemma3Config {
  const gemma = readGemma(reader, 'gemma3');
  const pattern = reader.integer(
    { hf: ['sliding_window_pattern', '_sliding_window_pattern'] },
    { min: 1, max: limits.layers, fallback: PATTERN },
  );
  const isLocal = (layer: number): boolean => (layer + 1) % pattern !== 0;
  return {
    ...gemma,
    scale: readGemmaScale(reader, gemma, LAYERS_27B),
    windows: readLayerWindows(reader, gemma.layers, readWindow(reader), isLocal),
    ...readRopes(reader, gemma),
    logitCap: readCap(reader, 'final_logit_softcapping', 0),
  };
}

/** Scaling is of the global rope only. */
function readRopes(
  reader: ConfigReader,
  { headDim, contextLength }: GemmaConfig,
): Pick<Gemma3Config, 'localRope' | 'globalRope'> {
  const defaults = { headDim, contextLength, interleavedInGguf: false };
  const globalDefaults = { ...defaults, theta: 1e6 };
  const nested = reader.section('rope_parameters');
  if (nested) {
    const localRope = readRopeSection(nested.section('sliding_attention'), defaults);
    const globalRope = readRopeSection(nested.section('full_attention'), globalDefaults);
    nested.finish();
    return { localRope, globalRope };
  }
  const theta = reader.number(
    { hf: 'rope_local_base_freq', gguf: 'rope.freq_base_swa' },
    { ...thetaRule, fallback: 10000 },
  );
  const globalRope = readRope(reader, globalDefaults);
  return { localRope: { ...globalRope, theta, scaling: { type: 'none' } }, globalRope };
}

function forward(step: Step, config: Gemma3Config): Value {
  const parts = gemmaParts(step, config);
  const localRope = createRope(step, config.localRope, 'rope.local');
  const globalRope = createRope(step, config.globalRope, 'rope.global');
  return decoder(step, config, {
    ...parts,
    wiring: sandwich,
    attention: (layer) => ({
      headNorm: parts.norm,
      rope: config.windows[layer] ? localRope : globalRope,
    }),
    finish: (logits) => softCapped(step, logits, config.logitCap),
  });
}
