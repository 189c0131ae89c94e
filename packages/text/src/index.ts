export type {
  DecodeOptions,
  EncodeOptions,
  MetadataLike,
  Tokenizer,
  TokenStream,
} from './tokenizer-types.ts';
export type {
  ChatContentPart,
  ChatMessage,
  ChatTemplate,
  ChatToolCall,
  RenderOptions,
} from './chat-template-types.ts';
export { infill, type Infill } from './infill.ts';
export { tokenizerFromJson } from './tokenizer-from-json.ts';
export { tokenizerFromGguf } from './tokenizer-from-gguf.ts';
export type { ToolCall } from './replies/read-calls.ts';
export {
  answerSyntax,
  forcedCall,
  markedCall,
  readsToolCalls,
  replyFormat,
  type AnswerSyntax,
  type CallSyntax,
  type ReplyFormat,
} from './replies/reply-format.ts';
export { ReplyParser, type ReplyEvent } from './replies/reply-parser.ts';
export { chatTemplateFromGguf, chatTemplateFromJson, requireChatTemplate } from './chat-template.ts';
