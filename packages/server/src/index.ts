export { createServer } from './server.ts';
export { providerOf } from './model-provider.ts';
export type { EmbeddingProvider, ModelProvider } from './model-provider.ts';
export { DEFAULT_LIMITS } from './options.ts';
export type { ServerLimits, ServerOptions, SteelyardServer } from './options.ts';
export { listenOnFreePort } from './http/listen.ts';
export type { ListenOptions } from './http/listen.ts';
export { ApiError } from './http/api-error.ts';
