/** What Command R and its successors share: LayerNorm without bias, blocks side by side, scaled logits. */

import { UnsupportedError } from '@steelyard/core';
import type { Value } from '@steelyard/graph';
import type { ConfigReader } from '../config-reader.ts';
import type { Step } from '../step.ts';
import { readBias, readDecoder, type DecoderConfig } from './decoder-config.ts';
import type { DecoderParts } from './decoder.ts';
import type { Bias } from './linear.ts';
import { activationNames, type Activation } from './mlp.ts';
import { layerNorm } from './norms.ts';
import { readRope, type RopeConfig } from './rope-config.ts';
import { parallel } from './wirings.ts';

export interface CohereConfig extends DecoderConfig {
  readonly activation: Activation;
  readonly attentionBias: Bias;
  readonly rope: RopeConfig;
  readonly logitScale: number;
}

export function readCohere(reader: ConfigReader, architecture: string, theta: number): CohereConfig {
  const decoder = readDecoder(reader, { architecture, tied: true, norm: 'layer' });
  for (const name of ['use_embedding_sharing', 'use_gated_activation', 'use_parallel_block']) {
    if (reader.flag({ hf: name }, true)) continue;
    throw new UnsupportedError(
      `${reader.fileName}: ${name} is false; ${reader.declared} here is always built with it`,
    );
  }
  // How the trainer split the table among devices.
  reader.ignore({ hf: 'use_parallel_embedding' });
  return {
    ...decoder,
    activation: reader.choice({ hf: 'hidden_act' }, activationNames, 'silu'),
    attentionBias: readBias(reader, 'attention_bias'),
    rope: readRope(reader, { ...decoder, theta, interleavedInGguf: true, interleavedInHuggingFace: true }),
    logitScale: reader.number(
      { hf: 'logit_scale', gguf: 'logit_scale' },
      { min: 1e-9, max: 1e9, fallback: 0.0625 },
    ),
  };
}

export function cohereParts(step: Step, config: CohereConfig): DecoderParts {
  return {
    wiring: parallel,
    norm: (x: Value, name: string) => layerNorm(step, x, name, config.eps, false),
    finish: (logits) => step.g.scale(logits, { by: config.logitScale }),
  };
}
