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
export type { KeyScopes, Limits } from './schema-access.ts';
export type { UsageQuery, UsageRow, UsageStore } from './usage.ts';
