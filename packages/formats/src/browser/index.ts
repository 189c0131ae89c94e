export { openModelBlob, openModelUrl } from './open-model.ts';
