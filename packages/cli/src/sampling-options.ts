/** Sampling settings under the names people type: flags of `run` and `chat`, and `/set`. */

import type { SamplingOptions } from '@steelyard/engine';
import { UsageError } from './errors.ts';

interface Setting {
  readonly key: keyof Omit<SamplingOptions, 'logitBias'>;
  readonly doc: string;
  readonly min: number;
  readonly max: number;
  readonly integer?: true;
}

/** What people get who set nothing: small models ramble and loop at the API's defaults. */
export const DEFAULT_SAMPLING: SamplingOptions = { temperature: 0.3, topP: 0.9, repetitionPenalty: 1.1 };

const MAX_SEED = Number.MAX_SAFE_INTEGER;

export const SAMPLING_SETTINGS: Readonly<Record<string, Setting>> = {
  temperature: {
    key: 'temperature',
    doc: '0 always takes the likeliest token (default 0.3)',
    min: 0,
    max: 100,
  },
  top_k: { key: 'topK', doc: 'choose among the k likeliest; 0 for all', min: 0, max: 1e9, integer: true },
  top_p: {
    key: 'topP',
    doc: 'choose among the likeliest that together reach p (default 0.9)',
    min: 0,
    max: 1,
  },
  min_p: { key: 'minP', doc: 'drop tokens below this share of the likeliest (default 0)', min: 0, max: 1 },
  seed: { key: 'seed', doc: 'same seed, same answer', min: 0, max: MAX_SEED, integer: true },
  repetition_penalty: {
    key: 'repetitionPenalty',
    doc: 'above 1 repeats less (default 1.1)',
    min: 0.01,
    max: 100,
  },
  presence_penalty: {
    key: 'presencePenalty',
    doc: 'lowers tokens already used (default 0)',
    min: -2,
    max: 2,
  },
  frequency_penalty: {
    key: 'frequencyPenalty',
    doc: 'lowers tokens by their count (default 0)',
    min: -2,
    max: 2,
  },
};

/** @throws UsageError saying what the setting may be */
export function parseNumber(
  name: string,
  text: string,
  range: { readonly min: number; readonly max: number; readonly integer?: boolean },
): number {
  const value = text.trim() === '' ? NaN : Number(text);
  const whole = range.integer === true;
  if (!(value >= range.min && value <= range.max) || (whole && !Number.isInteger(value))) {
    const kind = whole ? 'a whole number' : 'a number';
    throw new UsageError(`${name} is '${text}'; expected ${kind} from ${range.min} to ${range.max}`);
  }
  return value;
}

/** The default of one setting, if it has one. */
function defaultOf(key: Setting['key']): SamplingOptions {
  const value = DEFAULT_SAMPLING[key];
  return value === undefined ? {} : { [key]: value };
}

/** `sampling` with one setting changed; `default` restores it. @throws UsageError for unknown names and values */
export function changeSetting(sampling: SamplingOptions, name: string, text: string): SamplingOptions {
  const setting = SAMPLING_SETTINGS[name];
  if (!setting) {
    throw new UsageError(
      `there is no setting '${name}'; known: ${Object.keys(SAMPLING_SETTINGS).join(', ')}`,
    );
  }
  const { [setting.key]: _old, ...rest } = sampling;
  return text === 'default'
    ? { ...defaultOf(setting.key), ...rest }
    : { ...rest, [setting.key]: parseNumber(name, text, setting) };
}
