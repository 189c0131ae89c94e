/** How the hidden states of a text's tokens become one vector: what files say of it. */

import { UnsupportedError } from '@steelyard/core';
import type { ModelFile } from '@steelyard/formats';
import type { ConfigReader } from './config-reader.ts';

/** The mean over all tokens, the first token's state, or the last token's. */
export type Pooling = 'mean' | 'cls' | 'last';

/** `pooling_type` of GGUF files, in llama.cpp's order. */
const GGUF_POOLINGS = ['none', 'mean', 'cls', 'last', 'rank'] as const;

/**
 * Undefined for models that were not made for vectors of texts, or whose files do not say.
 * @throws UnsupportedError for a pooling, or a step after it, that is not implemented
 */
export function readPooling(file: ModelFile, reader: ConfigReader): Pooling | undefined {
  if (file.format === 'safetensors') return readModules(file.name, file.modules ?? []);
  const type = reader.integer(
    { gguf: 'pooling_type' },
    { min: 0, max: GGUF_POOLINGS.length - 1, fallback: 0 },
  );
  const pooling = GGUF_POOLINGS[type] ?? 'none';
  if (pooling === 'none') return undefined;
  if (pooling !== 'rank') return pooling;
  throw new UnsupportedError(
    `${file.name}: pooling_type is 4, a score of two texts (a reranker), which makes no vectors, and is implemented for BERT only`,
  );
}

/** Classes of transformers with a head that gives labels to texts. */
const CLASSIFIER = /ForSequenceClassification$/;

/**
 * Whether the file says that its model scores two texts read together: a cross-encoder, for reranking.
 * @throws UnsupportedError for a classifier with several labels
 */
export function scoresPairs(file: ModelFile, reader: ConfigReader): boolean {
  if (file.format === 'gguf') {
    const type = reader.integer(
      { gguf: 'pooling_type' },
      { min: 0, max: GGUF_POOLINGS.length - 1, fallback: 0 },
    );
    return GGUF_POOLINGS[type] === 'rank';
  }
  const { architectures, id2label } = file.config;
  const names: unknown[] = Array.isArray(architectures) ? architectures : [];
  if (!names.some((name) => typeof name === 'string' && CLASSIFIER.test(name))) return false;
  const labels = typeof id2label === 'object' && id2label ? Object.keys(id2label).length : 2;
  if (labels === 1) return true;
  throw new UnsupportedError(
    `${file.name}: it gives one of ${labels} labels to a text, which is not implemented; a model with one label, a score, is`,
  );
}

type Modules = readonly { readonly type: string; readonly config: Readonly<Record<string, unknown>> }[];

/** `modules.json` of sentence-transformers: the model, pooling, and at most a normalisation, which is always done. */
function readModules(name: string, modules: Modules): Pooling | undefined {
  let pooling: Pooling | undefined;
  for (const { type, config } of modules) {
    const kind = type.slice(type.lastIndexOf('.') + 1);
    if (kind === 'Pooling') pooling = readModes(name, config);
    else if (kind !== 'Transformer' && kind !== 'Normalize') {
      throw new UnsupportedError(
        `${name}: modules.json has a step ${kind} after pooling; supported are Transformer, Pooling and Normalize`,
      );
    }
  }
  return pooling;
}

const MODES: Readonly<Record<string, Pooling>> = {
  pooling_mode_mean_tokens: 'mean',
  pooling_mode_cls_token: 'cls',
  pooling_mode_lasttoken: 'last',
  mean: 'mean',
  cls: 'cls',
  lasttoken: 'last',
};

/** Flags of 1_Pooling/config.json, or `pooling_mode` of later releases. */
function readModes(name: string, config: Readonly<Record<string, unknown>>): Pooling {
  const flags = Object.keys(config).filter((key) => key.startsWith('pooling_mode_') && config[key] === true);
  const word = config['pooling_mode'];
  const modes = typeof word === 'string' ? [word] : flags;
  const [mode] = modes;
  const pooling = mode === undefined ? undefined : MODES[mode];
  if (pooling && modes.length === 1) return pooling;
  throw new UnsupportedError(
    `${name}: pooling is by ${modes.join(' and ') || 'nothing'}; supported is one of ${Object.keys(MODES).slice(0, 3).join(', ')}`,
  );
}
