export { chatPageFiles } from './chat-page-files.ts';
export type { PageFile } from './chat-page-files.ts';
