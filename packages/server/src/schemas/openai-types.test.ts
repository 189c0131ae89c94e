/** Our answers fit OpenAI's own published types. Checked by the compiler; running it only proves that it is there. */

import type OpenAI from 'openai';
import { expectTypeOf, it } from 'vitest';
import type { BatchObject, BatchRequest } from './batches.ts';
import type { ChatRequest } from './chat-request.ts';
import type { ChatChunk, ChatResponse } from './chat-response.ts';
import type { CompletionRequest } from './completion-request.ts';
import type { CompletionResponse } from './completion-response.ts';
import type { WireResponse } from './custom-calls.ts';
import type { EmbeddingRequest, EmbeddingResponse } from './embeddings.ts';
import type { ErrorObject } from './error.ts';
import type { FileDeleted, FileObject, FileRequest } from './files.ts';
import type { InputTokensRequest } from './input-tokens.ts';
import type { ResponseEvent } from './response-events.ts';
import type { InputItem, KeptItem } from './response-items.ts';
import type { ResponseObject } from './response-object.ts';
import type { ResponseRequest } from './response-request.ts';
import type { StoredChat, StoredChatDeleted } from './stored-chat.ts';
import type { ModerationRequest, ModerationResponse } from './moderations.ts';
import type { UploadObject, UploadPart, UploadRequest } from './uploads.ts';
import type { VectorSearchPage, VectorSearchRequest } from './vector-search.ts';
import type {
  FileBatch,
  FileBatchRequest,
  VectorFile,
  VectorFileRequest,
  VectorStoreObject,
  VectorStoreRequest,
} from './vector-stores.ts';
import type { UsageBody } from './usage.ts';

/** Events as they come over the wire, where a response has no text of its own yet. */
type WithoutText<Event> = Event extends { response: infer R }
  ? Omit<Event, 'response'> & { response: Omit<R, 'output_text'> }
  : Event;

/** OpenAI takes files for evals, and has not said so of the files themselves. */
type KnownFile<File extends FileObject> = Omit<File, 'purpose'> & {
  purpose: Exclude<File['purpose'], 'evals'>;
};

/** Without the formats that OpenAI knows elsewhere (`grammar`) or not at all (`regex`). */
type WithKnownFormat<Response extends ResponseObject> = Omit<Response, 'text'> & {
  text: Omit<Response['text'], 'format'> & {
    format: Exclude<Response['text']['format'], { type: 'grammar' | 'regex' }>;
  };
};
type EventWithKnownFormat<Event> = Event extends { response: ResponseObject }
  ? Omit<Event, 'response'> & { response: WithKnownFormat<Event['response']> }
  : Event;

it('gives what the SDK expects', () => {
  expectTypeOf<ChatResponse>().toExtend<OpenAI.ChatCompletion>();
  expectTypeOf<WireResponse>().toExtend<OpenAI.ChatCompletion>();
  expectTypeOf<ChatChunk>().toExtend<OpenAI.ChatCompletionChunk>();
  expectTypeOf<UsageBody>().toExtend<OpenAI.CompletionUsage>();
  expectTypeOf<KnownFile<FileObject>>().toExtend<OpenAI.FileObject>();
  expectTypeOf<FileRequest['purpose']>().toEqualTypeOf<OpenAI.FilePurpose>();
  expectTypeOf<FileDeleted>().toExtend<OpenAI.FileDeleted>();
  expectTypeOf<BatchObject>().toExtend<OpenAI.Batch>();
  expectTypeOf<StoredChat>().toExtend<OpenAI.ChatCompletion>();
  expectTypeOf<StoredChatDeleted>().toExtend<OpenAI.ChatCompletionDeleted>();
  expectTypeOf<ModerationResponse>().toExtend<OpenAI.ModerationCreateResponse>();
  expectTypeOf<keyof OpenAI.ModerationCreateParams>().toExtend<keyof ModerationRequest>();
  expectTypeOf<Omit<UploadObject, 'file'>>().toExtend<Omit<OpenAI.Upload, 'file'>>();
  expectTypeOf<KnownFile<NonNullable<UploadObject['file']>>>().toExtend<NonNullable<OpenAI.Upload['file']>>();
  expectTypeOf<UploadPart>().toExtend<OpenAI.Uploads.UploadPart>();
  expectTypeOf<Omit<EmbeddingResponse, 'data'>>().toExtend<Omit<OpenAI.CreateEmbeddingResponse, 'data'>>();
  expectTypeOf<Omit<EmbeddingResponse['data'][number], 'embedding'>>().toExtend<
    Omit<OpenAI.Embedding, 'embedding'>
  >();
  expectTypeOf<ErrorObject>().toExtend<OpenAI.ErrorObject>();
  expectTypeOf<CompletionResponse['choices'][number]['text']>().toExtend<OpenAI.CompletionChoice['text']>();
});

it('gives vector stores as the SDK expects them', () => {
  expectTypeOf<VectorStoreObject>().toExtend<OpenAI.VectorStore>();
  expectTypeOf<VectorFile>().toExtend<OpenAI.VectorStores.VectorStoreFile>();
  expectTypeOf<FileBatch>().toExtend<OpenAI.VectorStores.VectorStoreFileBatch>();
  expectTypeOf<VectorSearchPage['data'][number]>().toExtend<OpenAI.VectorStoreSearchResponse>();
  expectTypeOf<keyof OpenAI.VectorStoreCreateParams>().toExtend<keyof VectorStoreRequest>();
  expectTypeOf<keyof OpenAI.VectorStoreSearchParams>().toExtend<keyof VectorSearchRequest>();
  expectTypeOf<keyof OpenAI.VectorStores.FileCreateParams>().toExtend<keyof VectorFileRequest>();
  expectTypeOf<keyof OpenAI.VectorStores.FileBatchCreateParams>().toExtend<keyof FileBatchRequest>();
});

it('gives responses as the SDK expects them', () => {
  // The SDK adds the text of all messages itself.
  expectTypeOf<WithKnownFormat<ResponseObject>>().toExtend<Omit<OpenAI.Responses.Response, 'output_text'>>();
  expectTypeOf<EventWithKnownFormat<ResponseEvent>>().toExtend<
    WithoutText<OpenAI.Responses.ResponseStreamEvent>
  >();
  expectTypeOf<KeptItem>().toExtend<OpenAI.Responses.ResponseItem>();
  expectTypeOf<KeptItem>().toExtend<OpenAI.Conversations.ConversationItem>();
});

it('knows every field that the SDK sends', () => {
  expectTypeOf<keyof OpenAI.ChatCompletionCreateParams>().toExtend<keyof ChatRequest>();
  expectTypeOf<keyof OpenAI.CompletionCreateParams>().toExtend<keyof CompletionRequest>();
  expectTypeOf<keyof OpenAI.EmbeddingCreateParams>().toExtend<keyof EmbeddingRequest>();
  expectTypeOf<keyof OpenAI.Responses.ResponseCreateParams>().toExtend<keyof ResponseRequest>();
  expectTypeOf<keyof OpenAI.Responses.InputTokenCountParams>().toExtend<keyof InputTokensRequest>();
  expectTypeOf<keyof OpenAI.UploadCreateParams>().toExtend<keyof UploadRequest>();
  expectTypeOf<keyof OpenAI.BatchCreateParams>().toExtend<keyof BatchRequest>();
  type ItemType = NonNullable<OpenAI.Responses.ResponseInputItem['type']>;
  expectTypeOf<ItemType>().toExtend<InputItem['type']>();
});
