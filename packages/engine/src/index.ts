export { Engine, type EngineOptions } from './engine.ts';
export { createLanguageModel, type LanguageModelParts } from './language-model.ts';
export { planMemory, type MemoryBudget, type MemoryPlan } from './memory-plan.ts';
export * from './types.ts';
