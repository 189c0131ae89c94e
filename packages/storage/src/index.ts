export { DEFAULT_PROJECT, openRecords, openStorage } from './storage.ts';
export type { ProjectStorage, Records, Storage, StorageOptions } from './storage.ts';
export { verifyChain } from './audit-chain.ts';
export type { AuditEntry, AuditHead, AuditVerdict, BrokenEntry, NewAuditEntry } from './audit-chain.ts';
export type { AuditLog, AuditQuery } from './audit-log.ts';
export { canonicalJson } from './canonical-json.ts';
export type { FileStore, ListQuery, NewFile, StoredFile } from './files.ts';
export type { Blob, BlobStore, StagedBlob } from './blobs.ts';
export type { ConversationStore, StoredConversation } from './conversations.ts';
export type { ItemPage, ItemQuery } from './items.ts';
export type { Item, Json } from './json.ts';
export type {
  ConversationPlace,
  NewResponse,
  ResponseEnd,
  ResponseStore,
  StoredResponse,
} from './responses.ts';
export type { NewUpload, StoredPart, StoredUpload, UploadCompletion, UploadStore } from './uploads.ts';
export { ADMIN, hashOf } from './access.ts';
export type { AccessStore, CreatedKey, NewKey, Project, ProjectChange, StoredKey } from './access.ts';
export type { KeyScopes, Limits, UsageKind } from './schema-access.ts';
export type { UsageQuery, UsageRow, UsageStore } from './usage.ts';
export type { BatchQuery, BatchStore, NewBatch, StoredBatch } from './batches.ts';
export type { BatchEnd, BatchQueue, ClaimedBatch, LineResult } from './batch-queue.ts';
export type { ChatCompletionQuery, ChatCompletionStore, StoredChatCompletion } from './chat-completions.ts';
export type { ClaimedFile, IngestQueue, NewChunk } from './ingest-queue.ts';
export type { Page, PageQuery } from './page.ts';
export type {
  NewVectorFile,
  StoredFileBatch,
  StoredVectorFile,
  VectorFileQuery,
  VectorFileStore,
} from './vector-files.ts';
export type { FoundChunk, VectorQuery } from './vector-search.ts';
export type { NewVectorStore, StoredVectorStore, VectorStoreStore } from './vector-stores.ts';
export type { FileCounts } from './file-counts.ts';
export type { S3Options } from './s3-blobs.ts';
export { isUnstorableText } from './unstorable-text.ts';
