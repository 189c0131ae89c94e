export { createContext, type CommandContext, type ContextParts, type Input } from './context.ts';
export { main } from './main.ts';
export { runCommandLine } from './program.ts';
export { createServices } from './real-services.ts';
export type * from './services.ts';
