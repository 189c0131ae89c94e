/**
 * What decoders share: embeddings, layers around a residual stream, a final norm, a head. A family names its wiring
 * and replaces the blocks in which it differs from Llama.
 */

import type { Value } from '@steelyard/graph';
import type { Step } from '../step.ts';
import { selfAttention, type SelfAttention } from './attention.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { describeWindows, type LayerWindows } from './layer-windows.ts';
import { embedTokens, logits, type Bias } from './linear.ts';
import { gatedMlp, type Activation } from './mlp.ts';
import { rmsNorm } from './norms.ts';
import { describeScaling, type RopeConfig } from './rope-config.ts';
import { createRope } from './rope.ts';
import { preNorm, type Wiring } from './wirings.ts';

export interface StackConfig extends DecoderConfig {
  readonly activation: Activation;
  /** Absent where layers have rotations of their own, or none. */
  readonly rope?: RopeConfig;
  /** Default: every layer sees all tokens. */
  readonly windows?: LayerWindows;
  /** Factor on q . k; default 1 / sqrt(head_dim). */
  readonly scale?: number;
  /** Of q, k, v and the output; default none. */
  readonly attentionBias?: Bias;
  readonly mlpBias?: Bias;
}

/** Blocks that replace Llama's; x is [T, hidden]. */
export interface DecoderParts {
  /** Default: RMS. */
  readonly norm?: (x: Value, name: string) => Value;
  readonly wiring?: Wiring;
  /** What a layer's attention has besides, or instead of, what the config says. */
  readonly attention?: (layer: number) => Partial<SelfAttention>;
  /** In place of the whole attention of a layer. */
  readonly attend?: (x: Value, block: string, layer: number) => Value;
  /** In place of the gated MLP. */
  readonly feed?: (x: Value, block: string, layer: number) => Value;
  /** Factor on the embeddings. */
  readonly embeddingScale?: number;
  /** What becomes of the logits [V, vocab]. */
  readonly finish?: (logits: Value) => Value;
}

/** A whole decoder: [V, vocab]. */
export function decoder(step: Step, config: StackConfig, parts: DecoderParts = {}): Value {
  const { g } = step;
  const { norm = (x, name) => rmsNorm(step, x, name, config.eps), wiring = preNorm } = parts;
  const attend = parts.attend ?? configuredAttention(step, config, parts.attention);
  const mlp = { width: config.feedForward, activation: config.activation, bias: config.mlpBias ?? false };
  const feed = parts.feed ?? ((x, block) => gatedMlp(step, x, block, mlp));
  let x = embedTokens(step, config.vocabSize, config.hiddenSize); // [T, hidden]
  if (parts.embeddingScale !== undefined) x = g.scale(x, { by: parts.embeddingScale });
  for (let layer = 0; layer < config.layers; layer++) {
    const block = `blk.${layer}`;
    x = wiring(g, x, {
      norm: (y, name) => norm(y, `${block}.${name}`),
      attend: (y) => attend(y, block, layer),
      feed: (y) => feed(y, block, layer),
    });
  }
  const wanted = norm(g.gather(x, step.rows), 'output_norm'); // [V, hidden]
  return logits(step, wanted, config.vocabSize, config.tied, parts.finish);
}

/** Attention by the config, with what a family adds in each layer. */
function configuredAttention(
  step: Step,
  config: StackConfig,
  more: (layer: number) => Partial<SelfAttention> = () => ({}),
): (x: Value, block: string, layer: number) => Value {
  const { heads, kvHeads, headDim, windows, scale, attentionBias: bias = false } = config;
  const rope = config.rope && createRope(step, config.rope);
  const common = { heads, kvHeads, headDim, rope, bias, outputBias: bias, ...(scale && { scale }) };
  return (x, block, layer) =>
    selfAttention(step, x, block, { ...common, layer, window: windows?.[layer] ?? 0, ...more(layer) });
}

/** What `show` prints of a decoder besides its sizes. */
export function decoderFacts({ rope, windows, tied }: StackConfig): Record<string, string> {
  return {
    ...(rope && { 'rope theta': String(rope.theta), 'rope scaling': describeScaling(rope.scaling) }),
    ...describeWindows(windows ?? []),
    'tied embeddings': tied ? 'yes' : 'no',
  };
}
