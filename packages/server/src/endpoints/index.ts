/** Every endpoint served; a new one is its file and a line here. */

import type { Endpoint } from '../endpoint.ts';
import { cancelBatch, createBatch, listBatches, retrieveBatch } from './batches.ts';
import { chatCompletions } from './chat-completions.ts';
import { completions } from './completions.ts';
import { embeddings } from './embeddings.ts';
import {
  createConversationItems,
  deleteConversationItem,
  listConversationItems,
  retrieveConversationItem,
} from './conversation-items.ts';
import {
  createConversation,
  deleteConversation,
  retrieveConversation,
  updateConversation,
} from './conversations.ts';
import { deleteFile, fileContent, listFiles, retrieveFile, uploadFile } from './files.ts';
import { health, healthLive, healthReady } from './health.ts';
import { countMessageTokens, messages } from './messages.ts';
import { mcp } from './mcp.ts';
import { metrics } from './metrics.ts';
import { listModels, retrieveModel } from './models.ts';
import { retrieveReceipt } from './receipts.ts';
import { ollamaEndpoints } from './ollama/index.ts';
import {
  createAdminKey,
  createProjectKey,
  listAdminKeys,
  listProjectKeys,
  retrieveAdminKey,
  retrieveProjectKey,
  revokeAdminKey,
  revokeProjectKey,
} from './organization-keys.ts';
import {
  archiveProject,
  createProject,
  listProjects,
  retrieveProject,
  updateProject,
} from './organization-projects.ts';
import { auditLogs } from './organization-audit.ts';
import { completionsUsage, costs, embeddingsUsage, moderationsUsage } from './organization-usage.ts';
import { moderations } from './moderations.ts';
import { rerank } from './rerank.ts';
import { compactResponse, countInputTokens } from './response-input-tokens.ts';
import { createResponse } from './responses.ts';
import {
  deleteStoredChat,
  listStoredChats,
  listStoredMessages,
  retrieveStoredChat,
  updateStoredChat,
} from './stored-chat.ts';
import { cancelResponse, deleteResponse, listInputItems, retrieveResponse } from './stored-responses.ts';
import { addUploadPart, cancelUpload, completeUpload, createUpload } from './uploads.ts';
import {
  addVectorFile,
  cancelFileBatch,
  createFileBatch,
  deleteVectorFile,
  listBatchFiles,
  listVectorFiles,
  retrieveFileBatch,
  retrieveVectorFile,
  updateVectorFile,
  vectorFileContent,
} from './vector-files.ts';
import {
  createVectorStore,
  deleteVectorStore,
  listVectorStores,
  retrieveVectorStore,
  searchVectorStore,
  updateVectorStore,
} from './vector-stores.ts';

export const endpoints: readonly Endpoint[] = [
  listModels,
  retrieveModel,
  chatCompletions,
  listStoredChats,
  retrieveStoredChat,
  updateStoredChat,
  deleteStoredChat,
  listStoredMessages,
  completions,
  embeddings,
  rerank,
  messages,
  countMessageTokens,
  retrieveReceipt,
  ...ollamaEndpoints,
  mcp,
  moderations,
  createResponse,
  // Before those whose path is an id.
  countInputTokens,
  compactResponse,
  retrieveResponse,
  deleteResponse,
  cancelResponse,
  listInputItems,
  createConversation,
  retrieveConversation,
  updateConversation,
  deleteConversation,
  createConversationItems,
  listConversationItems,
  retrieveConversationItem,
  deleteConversationItem,
  fileContent,
  listFiles,
  uploadFile,
  retrieveFile,
  deleteFile,
  createUpload,
  addUploadPart,
  completeUpload,
  cancelUpload,
  listProjects,
  createProject,
  retrieveProject,
  updateProject,
  archiveProject,
  listProjectKeys,
  createProjectKey,
  retrieveProjectKey,
  revokeProjectKey,
  listAdminKeys,
  createAdminKey,
  retrieveAdminKey,
  revokeAdminKey,
  completionsUsage,
  embeddingsUsage,
  moderationsUsage,
  auditLogs,
  costs,
  createBatch,
  listBatches,
  retrieveBatch,
  cancelBatch,
  createVectorStore,
  listVectorStores,
  retrieveVectorStore,
  updateVectorStore,
  deleteVectorStore,
  searchVectorStore,
  addVectorFile,
  listVectorFiles,
  retrieveVectorFile,
  updateVectorFile,
  deleteVectorFile,
  vectorFileContent,
  createFileBatch,
  retrieveFileBatch,
  cancelFileBatch,
  listBatchFiles,
  health,
  healthLive,
  healthReady,
  metrics,
];
