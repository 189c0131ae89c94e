export { selectBackend, type BackendName } from './devices.ts';
export { openLanguageModel, type OpenOptions } from './open.ts';
