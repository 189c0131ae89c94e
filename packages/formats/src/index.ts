export * from './model-file.ts';
