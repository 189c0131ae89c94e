export * from './byte-source.ts';
export * from './gguf-writer.ts';
export * from './gguf.ts';
export * from './model-file.ts';
export * from './safetensors.ts';
export { TextList } from './text-list.ts';
