export * from '@steelyard/core';
export * from '@steelyard/text';
export {
  createLanguageModel,
  type ChatOptions,
  type EmbeddingInfo,
  type EmbeddingModel,
  type Embeddings,
  type EmbedOptions,
  type EngineStats,
  type FinishReason,
  type GenerateEvent,
  type GenerateOptions,
  type LanguageModel,
  type ModelInfo,
  type SamplingOptions,
  type Timing,
  type TokenLogprob,
  type Usage,
} from '@steelyard/engine';
export {
  openEmbeddingModel,
  openLanguageModel,
  type OpenEmbeddingOptions,
  type OpenOptions,
} from '@steelyard/engine/node';
export { openModel } from '@steelyard/formats/node';
export type { ModelFile } from '@steelyard/formats';
export {
  defaultModel,
  openStore,
  pull,
  type PullOptions,
  type PullProgress,
  type Store,
  type StoredModel,
} from '@steelyard/hub';
export { architectures, loadModel, supportedArchitectures, type LoadedModel } from '@steelyard/models';
export { createServer, providerOf, type ServerOptions, type SteelyardServer } from '@steelyard/server';
/** Graphs, ops, passes and backends: their names are many, and short. */
export * as graph from '@steelyard/graph';
