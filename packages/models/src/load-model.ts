/** From an open file to a graph and its weights. Nothing is read here but metadata and small tables. */

import { UnsupportedError } from '@steelyard/core';
import { elementCount, type Value } from '@steelyard/graph';
import type { ModelFile } from '@steelyard/formats';
import { ConfigReader } from './config-reader.ts';
import type { LoadedModel, LoadOptions } from './model.ts';
import { readScaleBlocks } from './quantisation.ts';
import { rankHead } from './blocks/rank-head.ts';
import { readPooling, scoresPairs } from './pooling.ts';
import { findArchitecture, isEncoder } from './registry.ts';
import { Step } from './step.ts';
import { WeightSource } from './weight-source.ts';

/**
 * Finds the file's architecture, reads its configuration, traces its forward pass and matches its weights.
 * @throws UnsupportedError for an architecture or a setting that is not implemented
 * @throws FormatError for missing, misshapen or superfluous tensors and for impossible settings
 */
export function loadModel(file: ModelFile, options: LoadOptions): LoadedModel {
  const { architecture, declared } = findArchitecture(file);
  const reader = ConfigReader.of(file, declared);
  const config = architecture.readConfig(reader);
  const blocks = readScaleBlocks(reader);
  const pooling = options.output === 'hidden' ? readPooling(file, reader) : undefined;
  reader.ignore({ gguf: 'pooling_type' }, { gguf: 'classifier.output_labels' });
  reader.finish();
  const output = options.output ?? 'logits';
  if (output === 'score' && !('cls.output' in architecture.names.huggingFace)) {
    throw new UnsupportedError(
      `${file.name}: ${declared} with a head that scores two texts is not implemented; of BERT it is`,
    );
  }
  if (config.causal === false && output === 'logits') {
    throw new UnsupportedError(
      `${file.name}: ${declared} is an encoder, which writes no text; for vectors of texts run: steelyard embed`,
    );
  }
  const source = new WeightSource(file, architecture.names, blocks);
  const step = new Step(config.architecture, source, options);
  const result = trace(() => {
    const hidden = architecture.forward(step, config);
    return output === 'score' ? rankHead(step, hidden) : hidden;
  }, source);
  source.finish();
  const graph = step.finish(result);
  let parameterCount = 0;
  let weightBytes = 0;
  for (const [name, data] of step.weights) {
    // Scales say how elements are stored.
    if (!name.endsWith('.scales')) parameterCount += elementCount(data.shape);
    weightBytes += data.byteLength;
  }
  return {
    config,
    graph,
    weights: step.weights,
    kv: { states: step.states },
    recurrent: step.recurrent,
    ...(pooling && { pooling }),
    parameterCount,
    weightBytes,
    facts: architecture.facts?.(config) ?? {},
  };
}

/**
 * Whether a file says that its model scores documents against a query, both read together.
 * @throws UnsupportedError for an architecture that is not implemented, and for a classifier with several labels
 */
export function ranksTexts(file: ModelFile): boolean {
  return isEncoder(file) && scoresPairs(file, ConfigReader.of(file, findArchitecture(file).declared));
}

/**
 * Whether a file says that it is made for vectors or scores of texts: an encoder, or one that names its pooling.
 * @throws UnsupportedError for an architecture or a pooling that is not implemented
 */
export function makesVectors(file: ModelFile): boolean {
  if (isEncoder(file)) return true;
  return readPooling(file, ConfigReader.of(file, findArchitecture(file).declared)) !== undefined;
}

/** What is missing from a file explains better why tracing failed than what came of it. */
function trace(forward: () => Value, source: WeightSource): Value {
  try {
    return forward();
  } catch (error) {
    source.checkMissing();
    throw error;
  }
}
