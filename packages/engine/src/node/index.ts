export { describeModel, type ModelDescription } from './describe-model.ts';
export { selectBackend, type BackendName } from './devices.ts';
export type { CacheDType } from '@steelyard/graph';
export { openEmbeddingModel, type OpenEmbeddingOptions } from './open-embedding-model.ts';
export { openLanguageModel, type OpenOptions } from './open.ts';
