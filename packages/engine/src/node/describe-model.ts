/** What a model is and what memory it would take, from its files' headers: no weights are read, no tokenizer is made. */

import { basename } from 'node:path';
import { openModel } from '@steelyard/formats/node';
import { makesVectors } from '@steelyard/models';
import { planEngine } from '../engine.ts';
import { planEmbedding } from '../embeddings/embedding-engine.ts';
import type { EmbeddingInfo } from '../embeddings/types.ts';
import type { ModelInfo } from '../types.ts';
import { backendFor } from './open-common.ts';
import { embeddingInfo, traceForVectors, type OpenEmbeddingOptions } from './open-embedding-model.ts';
import { languageInfo, traceForText, type OpenOptions } from './open.ts';
import { readTemplate } from './read-text.ts';

interface Planned<Kind, Info> {
  readonly kind: Kind;
  readonly info: Info;
  /**
   * Bytes that opening it with the same options takes: weights that are held, cache and temporaries. Given as
   * `memoryBytes` they lead to the same plan.
   */
  readonly memoryBytes: number;
}

/** `language` models write, `embedding` models make vectors. */
export type ModelDescription = Planned<'language', ModelInfo> | Planned<'embedding', EmbeddingInfo>;

/**
 * Describes the model as it would be opened: for vectors where its files say so, else to write.
 * @throws CapacityError with numbers when it does not fit; as opening throws for the rest
 */
export function describeModel(
  path: string,
  options: OpenOptions & OpenEmbeddingOptions = {},
): ModelDescription {
  const file = openModel(path);
  try {
    // What there is to tell of the backend is told when the model is opened.
    const backend = backendFor({ ...options, onNotice: () => undefined }, file);
    try {
      const name = options.name ?? basename(path);
      if (options.pooling || makesVectors(file)) {
        const { model, settings } = traceForVectors(file, backend, name, options);
        const { contextLength, totalBytes } = planEmbedding(model, settings);
        const info = embeddingInfo({ model, name, backend, contextLength, settings });
        return { kind: 'embedding', info, memoryBytes: totalBytes };
      }
      const { model, settings } = traceForText(file, backend, options);
      const { contextLength, totalBytes } = planEngine(model, settings);
      const template = readTemplate(file);
      const info = languageInfo({ model, name, backend, kvDType: settings.kvDType, contextLength, template });
      return { kind: 'language', info, memoryBytes: totalBytes };
    } finally {
      backend.dispose();
    }
  } finally {
    file.close();
  }
}
