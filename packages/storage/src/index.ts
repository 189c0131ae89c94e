export { openStorage } from './storage.ts';
export type { Storage, StorageOptions } from './storage.ts';
export type { FileStore, ListQuery, NewFile, StoredFile } from './files.ts';
export type { Blob, BlobStore, StagedBlob } from './blobs.ts';
