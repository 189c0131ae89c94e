export type { KvSpec, KvState, LoadedModel, LoadOptions, ModelConfig, RecurrentState } from './model.ts';
export { loadModel, makesVectors, ranksTexts } from './load-model.ts';
export { architectures, isEncoder, supportedArchitectures, type ArchitectureSummary } from './registry.ts';
export { recurrentBytes, stateTensors, type StateSizes, type StateTensor } from './state-tensors.ts';
export type { Pooling } from './pooling.ts';
