export { checkConstraint, type Constraint } from './constraint/constraint.ts';
export { Engine, type EngineOptions } from './engine.ts';
export { EmbeddingEngine, type EmbeddingEngineOptions } from './embeddings/embedding-engine.ts';
export { createEmbeddingModel, type EmbeddingModelParts } from './embeddings/embedding-model.ts';
export * from './embeddings/types.ts';
export { createLanguageModel, type LanguageModelParts } from './language-model.ts';
export { planMemory, type MemoryBudget, type MemoryPlan } from './memory-plan.ts';
export * from './types.ts';
