/** The command as it is, but for an engine that needs no weights. */

import { createStubEmbeddingModel, createStubModel } from '@steelyard/engine/testing';
import { createServices } from '../src/real-services.ts';
import { runProcess } from '../src/run-process.ts';

const isEmbedder = (path: string): boolean => path.includes('embed');

await runProcess({
  ...createServices(),
  openLanguageModel: (_, { name = 'stub' }) => Promise.resolve(createStubModel({ name })),
  openEmbeddingModel: (_, { name = 'stub' }) => Promise.resolve(createStubEmbeddingModel({ name })),
  makesVectors: (path) => Promise.resolve(isEmbedder(path)),
  describeModel: (path, { name = 'stub' }) =>
    Promise.resolve(
      isEmbedder(path)
        ? { kind: 'embedding', info: createStubEmbeddingModel({ name }).info, memoryBytes: 1000 }
        : { kind: 'language', info: createStubModel({ name }).info, memoryBytes: 1000 },
    ),
});
