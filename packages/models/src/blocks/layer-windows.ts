/** Which layers see only a window of tokens. */

import { FormatError, UnsupportedError } from '@steelyard/core';
import { limits, type ConfigReader } from '../config-reader.ts';

/** Tokens that a token sees in each layer, itself included; 0 for all. */
export type LayerWindows = readonly number[];

/**
 * Windows from `layer_types` of `config.json`, else from `isLocal`.
 * @throws UnsupportedError for kinds of layers other than full and sliding attention
 */
export function readLayerWindows(
  reader: ConfigReader,
  layers: number,
  window: number,
  isLocal: (layer: number) => boolean,
): LayerWindows {
  const types = reader.format === 'gguf' ? undefined : reader.texts({ hf: 'layer_types' });
  const local = types
    ? types.map((type) => isSliding(reader, type))
    : Array.from({ length: layers }, (_, layer) => isLocal(layer));
  if (local.length !== layers) {
    throw new FormatError(`${reader.fileName}: layer_types has ${local.length} entries for ${layers} layers`);
  }
  return local.map((sliding) => (sliding ? window : 0));
}

function isSliding(reader: ConfigReader, type: string): boolean {
  if (type === 'sliding_attention') return true;
  if (type === 'full_attention') return false;
  throw new UnsupportedError(
    `${reader.fileName}: layer_types has ${JSON.stringify(type)}; supported are full_attention, sliding_attention`,
  );
}

/** The window's length: `sliding_window`, GGUF `attention.sliding_window`; 0 when there is none. */
export function readWindow(reader: ConfigReader): number {
  const key = { hf: 'sliding_window', gguf: 'attention.sliding_window' };
  return reader.integer(key, { min: 0, max: limits.positions, fallback: 0 });
}

/**
 * Qwen's way: `use_sliding_window`, then the layers from `max_window_layers` on, or those that `isLocal` names.
 * GGUF files carry no window.
 */
export function readQwenWindows(
  reader: ConfigReader,
  layers: number,
  isLocal?: (layer: number, first: number) => boolean,
): LayerWindows {
  const window = reader.flag({ hf: 'use_sliding_window' }, false) ? readWindow(reader) : 0;
  reader.ignore({ hf: 'sliding_window' });
  const first = reader.integer(
    { hf: 'max_window_layers' },
    { min: 0, max: limits.positions, fallback: layers },
  );
  return readLayerWindows(reader, layers, window, (layer) => isLocal?.(layer, first) ?? layer >= first);
}

/** `4096 tokens in 5 of 6 layers`; for `show`. */
export function describeWindows(windows: LayerWindows): Record<string, string> {
  const local = windows.filter((window) => window > 0);
  if (local.length === 0) return {};
  const where =
    local.length === windows.length ? 'every layer' : `${local.length} of ${windows.length} layers`;
  return { 'sliding window': `${local[0]} tokens in ${where}` };
}
