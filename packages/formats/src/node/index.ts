export { fileSource } from './file-source.ts';
export { openModel } from './open-model.ts';
