/** Reads rope settings: `rope_parameters` (transformers 5), `rope_scaling` with `rope_theta` (before), GGUF keys. */

import { UnsupportedError } from '@steelyard/core';
import { limits, type ConfigReader } from '../config-reader.ts';
import { readGgufLongRope, readLongRope } from './long-rope.ts';
import { yarnAttention, type RopeScaling } from './rope-frequencies.ts';

export interface RopeConfig {
  readonly theta: number;
  /** Elements of each head that turn, even. */
  readonly dims: number;
  /** Pairs are neighbours, else halves of the head. */
  readonly interleaved: boolean;
  readonly scaling: RopeScaling;
}

export interface RopeDefaults {
  readonly headDim: number;
  /** Positions of the model, where the file does not say how many it was pre-trained for. */
  readonly contextLength: number;
  /** When the file does not say; default 10000. */
  readonly theta?: number;
  /** Whether GGUF files of this architecture pair neighbours. */
  readonly interleavedInGguf: boolean;
  /** Whether `config.json` folders do; few do. */
  readonly interleavedInHuggingFace?: boolean;
  /** Whether yarn's range is rounded to whole dims in GGUF files, which do not say; default true. */
  readonly truncateInGguf?: boolean;
  /** Share of each head that turns, where `config.json` may leave some out; most references turn all. */
  readonly partial?: number;
  /** Whether yarn's settings say how queries are sharpened far on. */
  readonly tempered?: boolean;
  /** Positions of pre-training, where `config.json` says them outside of its rope settings. */
  readonly originalContext?: number | undefined;
}

/**
 * @throws UnsupportedError for a kind of scaling that is not implemented
 * @throws FormatError for heads that do not divide into pairs
 */
export function readRope(reader: ConfigReader, defaults: RopeDefaults): RopeConfig {
  const rope = reader.format === 'gguf' ? readGguf(reader, defaults) : readHuggingFace(reader, defaults);
  const label = reader.format === 'gguf' ? `${reader.declared}.rope.dimension_count` : 'head_dim';
  reader.derived(`half of ${label}`, rope.dims / 2);
  return rope;
}

const factorRule = { min: 1e-6, max: 1e6 } as const;
/** Accepted values of rope's base. */
export const thetaRule = { min: 1, max: 1e15 } as const;
const contextRule = { min: 1, max: limits.positions } as const;
export const partialKey = { hf: 'partial_rotary_factor' } as const;
export const partialRule = { min: 0.01, max: 1 } as const;

function readHuggingFace(reader: ConfigReader, defaults: RopeDefaults): RopeConfig {
  const theta = reader.number({ hf: 'rope_theta' }, { ...thetaRule, fallback: defaults.theta ?? 10000 });
  const parameters = reader.section('rope_parameters');
  if (parameters) reader.ignore({ hf: 'rope_scaling' });
  return readRopeSection(parameters ?? reader.section('rope_scaling'), { ...defaults, theta });
}

/** Rope settings of one object of `config.json`. */
export function readRopeSection(section: ConfigReader | undefined, defaults: RopeDefaults): RopeConfig {
  const { headDim, partial, theta = 10000, interleavedInHuggingFace: interleaved = false } = defaults;
  const turning = (share: number): number => Math.floor(headDim * share);
  if (!section) return { dims: turning(partial ?? 1), interleaved, theta, scaling: { type: 'none' } };
  const own = section.number({ hf: 'rope_theta' }, { ...thetaRule, fallback: theta });
  const share = partial && section.number(partialKey, { ...partialRule, fallback: partial });
  const dims = turning(share ?? 1);
  const scaling = readScaling(section, defaults, dims);
  section.finish();
  return { dims, interleaved, theta: own, scaling };
}

function readScaling(section: ConfigReader, defaults: RopeDefaults, dims: number): RopeScaling {
  const { contextLength } = defaults;
  const type = section.choice(
    { hf: ['rope_type', 'type'] },
    ['default', 'linear', 'llama3', 'yarn', 'longrope', 'su'],
    'default',
  );
  const original = { hf: 'original_max_position_embeddings' };
  const rule = { ...contextRule, fallback: contextLength };
  switch (type) {
    case 'default':
      section.ignore(original, { hf: 'factor' });
      return { type: 'none' };
    case 'linear':
      section.ignore(original);
      return { type, factor: section.number({ hf: 'factor' }, factorRule) };
    case 'llama3':
      return {
        type,
        factor: section.number({ hf: 'factor' }, factorRule),
        lowFreqFactor: section.number({ hf: 'low_freq_factor' }, factorRule),
        highFreqFactor: section.number({ hf: 'high_freq_factor' }, factorRule),
        originalContext: section.integer(original, rule),
      };
    case 'longrope':
    case 'su':
      return readLongRope(section, { ...defaults, dims });
    case 'yarn': {
      const originalContext = section.integer(original, rule);
      const factor = section.number(
        { hf: 'factor' },
        { ...factorRule, fallback: contextLength / originalContext },
      );
      return {
        type,
        factor,
        originalContext,
        betaFast: section.number({ hf: 'beta_fast' }, { ...factorRule, fallback: 32 }),
        betaSlow: section.number({ hf: 'beta_slow' }, { ...factorRule, fallback: 1 }),
        ...yarnAttentionOf(section, factor),
        ...(defaults.tempered && readTempering(section)),
        truncate: section.flag({ hf: 'truncate' }, true),
      };
    }
  }
}

/** Beside it the settings repeat the model's positions. */
function readTempering(section: ConfigReader): { tempering: number } {
  section.ignore({ hf: 'max_position_embeddings' });
  return { tempering: section.number({ hf: 'llama_4_scaling_beta' }, { min: 0, max: 1e3 }) };
}

/** Given outright, or by the ratio of two scales (DeepSeek), or yarn's default. */
function yarnAttentionOf(
  section: ConfigReader,
  factor: number,
): { attentionFactor: number; mscaleAll: number | undefined } {
  const rule = { min: 0, max: 1e6, fallback: undefined } as const;
  const given = section.number({ hf: 'attention_factor' }, rule);
  const mscale = section.number({ hf: 'mscale' }, rule);
  const mscaleAll = section.number({ hf: 'mscale_all_dim' }, rule);
  const ratio =
    mscale && mscaleAll
      ? yarnAttention(factor, mscale) / yarnAttention(factor, mscaleAll)
      : yarnAttention(factor);
  return { attentionFactor: given ?? ratio, mscaleAll };
}

function readGguf(reader: ConfigReader, defaults: RopeDefaults): RopeConfig {
  const { headDim, contextLength, interleavedInGguf } = defaults;
  const dims = reader.integer({ gguf: 'rope.dimension_count' }, { min: 2, max: headDim, fallback: headDim });
  const theta = reader.number(
    { gguf: 'rope.freq_base' },
    { ...thetaRule, fallback: defaults.theta ?? 10000 },
  );
  const old = reader.number({ gguf: 'rope.scale_linear' }, { min: 0, max: 1e6, fallback: 0 });
  const stored = reader.number({ gguf: 'rope.scaling.factor' }, { min: 0, max: 1e6, fallback: old });
  // Zero stands for "not scaled" in files of early converters.
  const factor = stored === 0 ? 1 : stored;
  const type = reader.choice({ gguf: 'rope.scaling.type' }, ['none', 'linear', 'yarn'], 'linear');
  reader.ignore({ gguf: 'rope.scaling.finetuned' });
  const rope = { theta, dims, interleaved: interleavedInGguf };
  const long = readGgufLongRope(reader, contextLength);
  if (long) return { ...rope, scaling: long };
  if (type !== 'yarn') {
    reader.ignore({ gguf: 'rope.scaling.original_context_length' });
    const plain = type === 'none' || factor === 1;
    return { ...rope, scaling: plain ? { type: 'none' } : { type: 'linear', factor } };
  }
  const original = { gguf: 'rope.scaling.original_context_length' };
  const extra = { gguf: 'rope.scaling.yarn_ext_factor' };
  if (reader.number(extra, { min: -1e6, max: 1e6, fallback: 1 }) !== 1) {
    throw new UnsupportedError(
      `${reader.fileName}: ${extra.gguf} is not 1; yarn here always extrapolates fully`,
    );
  }
  const share = reader.number({ gguf: 'rope.scaling.attn_factor' }, { min: 0, max: 1e6, fallback: 1 });
  const attention = reader.number(
    { gguf: 'rope.scaling.yarn_attn_factor' },
    { min: 0, max: 1e6, fallback: share },
  );
  return {
    ...rope,
    scaling: {
      type,
      factor,
      originalContext: reader.integer(original, { ...contextRule, fallback: contextLength }),
      betaFast: reader.number({ gguf: 'rope.scaling.yarn_beta_fast' }, { ...factorRule, fallback: 32 }),
      betaSlow: reader.number({ gguf: 'rope.scaling.yarn_beta_slow' }, { ...factorRule, fallback: 1 }),
      // GGUF's factor multiplies yarn's default, config.json's replaces it.
      attentionFactor: yarnAttention(factor) * attention,
      truncate: defaults.truncateInGguf ?? true,
    },
  };
}

/** `llama3, factor 32`; for `show`. */
export function describeScaling(scaling: RopeScaling): string {
  if (scaling.type === 'none') return 'none';
  if (scaling.type === 'longrope') return `longrope, from ${scaling.originalContext} positions`;
  return `${scaling.type}, factor ${scaling.factor}`;
}
