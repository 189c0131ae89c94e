export type { KvSpec, KvState, LoadedModel, LoadOptions, ModelConfig } from './model.ts';
export { loadModel, makesVectors } from './load-model.ts';
export { architectures, isEncoder, supportedArchitectures, type ArchitectureSummary } from './registry.ts';
export type { Pooling } from './pooling.ts';
