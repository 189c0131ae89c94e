/** Which layers have positions, in models that leave them out of some. */

import { FormatError } from '@steelyard/core';
import { limits, type ConfigReader } from '../config-reader.ts';

/** Every fourth layer has none, where the file does not say. */
const INTERVAL = 4;

/** By `no_rope_layers`, else `no_rope_layer_interval`. */
export function readPositioned(reader: ConfigReader, layers: number): readonly boolean[] {
  const interval = reader.integer(
    { hf: 'no_rope_layer_interval' },
    { min: 1, max: limits.layers, fallback: INTERVAL },
  );
  const listed = reader.integers({ hf: 'no_rope_layers' }) ?? [];
  if (listed.length > 0 && listed.length !== layers) {
    throw new FormatError(
      `${reader.fileName}: no_rope_layers has ${listed.length} entries for ${layers} layers`,
    );
  }
  // The list's name says the contrary of what it holds: 1 is a layer with positions.
  return Array.from({ length: layers }, (_, i) =>
    listed.length > 0 ? listed[i] !== 0 : (i + 1) % interval !== 0,
  );
}
