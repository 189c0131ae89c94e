/** Reads settings as a published model's `config.json` has them. */

import type { SafetensorsFile } from '@steelyard/formats';
import { ConfigReader } from '../src/config-reader.ts';
import type { ModelConfig } from '../src/model.ts';
import { readScaleBlocks } from '../src/quantisation.ts';
import { findArchitecture } from '../src/registry.ts';

/** @throws UnsupportedError for a setting that nothing reads */
export function readPublished(config: Record<string, unknown>): ModelConfig & Record<string, unknown> {
  const file: SafetensorsFile = {
    format: 'safetensors',
    name: 'published',
    config,
    tensors: new Map(),
    close: () => undefined,
  };
  const { architecture, declared } = findArchitecture(file);
  const reader = ConfigReader.of(file, declared);
  const result = architecture.readConfig(reader);
  readScaleBlocks(reader);
  reader.finish();
  return result as ModelConfig & Record<string, unknown>;
}

/** What nearly every file carries. */
export const common = {
  torch_dtype: 'bfloat16',
  transformers_version: '4.42.3',
  use_cache: true,
  initializer_range: 0.02,
};
