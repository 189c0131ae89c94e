export { GuideMaker } from './constraint/guide-maker.ts';
export { createStubEmbeddingModel, type StubEmbeddingOptions } from './embeddings/stub-embedding-model.ts';
export { createStubModel, type StubOptions } from './stub-model.ts';
