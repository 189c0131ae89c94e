/** Our answers fit OpenAI's own published types. Checked by the compiler; running it only proves that it is there. */

import type OpenAI from 'openai';
import { expectTypeOf, it } from 'vitest';
import type { ChatRequest } from './chat-request.ts';
import type { ChatChunk, ChatResponse } from './chat-response.ts';
import type { CompletionRequest } from './completion-request.ts';
import type { CompletionResponse } from './completion-response.ts';
import type { EmbeddingRequest, EmbeddingResponse } from './embeddings.ts';
import type { ErrorObject } from './error.ts';
import type { FileDeleted, FileObject } from './files.ts';
import type { ResponseEvent } from './response-events.ts';
import type { InputItem, KeptItem } from './response-items.ts';
import type { ResponseObject } from './response-object.ts';
import type { ResponseRequest } from './response-request.ts';
import type { UploadObject, UploadPart, UploadRequest } from './uploads.ts';
import type { UsageBody } from './usage.ts';

/** Events as they come over the wire, where a response has no text of its own yet. */
type WithoutText<Event> = Event extends { response: infer R }
  ? Omit<Event, 'response'> & { response: Omit<R, 'output_text'> }
  : Event;

it('gives what the SDK expects', () => {
  expectTypeOf<ChatResponse>().toExtend<OpenAI.ChatCompletion>();
  expectTypeOf<ChatChunk>().toExtend<OpenAI.ChatCompletionChunk>();
  expectTypeOf<UsageBody>().toExtend<OpenAI.CompletionUsage>();
  expectTypeOf<FileObject>().toExtend<OpenAI.FileObject>();
  expectTypeOf<FileDeleted>().toExtend<OpenAI.FileDeleted>();
  expectTypeOf<UploadObject>().toExtend<OpenAI.Upload>();
  expectTypeOf<UploadPart>().toExtend<OpenAI.Uploads.UploadPart>();
  expectTypeOf<Omit<EmbeddingResponse, 'data'>>().toExtend<Omit<OpenAI.CreateEmbeddingResponse, 'data'>>();
  expectTypeOf<Omit<EmbeddingResponse['data'][number], 'embedding'>>().toExtend<
    Omit<OpenAI.Embedding, 'embedding'>
  >();
  expectTypeOf<ErrorObject>().toExtend<OpenAI.ErrorObject>();
  expectTypeOf<CompletionResponse['choices'][number]['text']>().toExtend<OpenAI.CompletionChoice['text']>();
});

it('gives responses as the SDK expects them', () => {
  // The SDK adds the text of all messages itself.
  expectTypeOf<ResponseObject>().toExtend<Omit<OpenAI.Responses.Response, 'output_text'>>();
  expectTypeOf<ResponseEvent>().toExtend<WithoutText<OpenAI.Responses.ResponseStreamEvent>>();
  expectTypeOf<KeptItem>().toExtend<OpenAI.Responses.ResponseItem>();
  expectTypeOf<KeptItem>().toExtend<OpenAI.Conversations.ConversationItem>();
});

it('knows every field that the SDK sends', () => {
  expectTypeOf<keyof OpenAI.ChatCompletionCreateParams>().toExtend<keyof ChatRequest>();
  expectTypeOf<keyof OpenAI.CompletionCreateParams>().toExtend<keyof CompletionRequest>();
  expectTypeOf<keyof OpenAI.EmbeddingCreateParams>().toExtend<keyof EmbeddingRequest>();
  expectTypeOf<keyof OpenAI.Responses.ResponseCreateParams>().toExtend<keyof ResponseRequest>();
  expectTypeOf<keyof OpenAI.UploadCreateParams>().toExtend<keyof UploadRequest>();
  type ItemType = NonNullable<OpenAI.Responses.ResponseInputItem['type']>;
  expectTypeOf<ItemType>().toExtend<InputItem['type']>();
});
