export { groups } from './groups/index.ts';
export type { JsonSchema } from './json-schema.ts';
export type { OpenApiDocument, Operation } from './openapi.ts';
export { fillExample, type Place } from './pages.ts';
