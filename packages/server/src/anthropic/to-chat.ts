/** Anthropic's messages as the templates take them: blocks become text, thoughts, calls and results of calls. */

import type { ChatMessage } from '@steelyard/text';
import { ApiError, unsupported } from '../http/api-error.ts';
import type { Seal } from '../responses/sealed-reasoning.ts';
import type { MessageParam, MessagePrompt } from '../schemas/message-request.ts';

export interface AnthropicChat {
  readonly messages: readonly ChatMessage[];
  /** How the answer begins: a last message of the assistant is gone on from. */
  readonly answerPrefix?: string;
}

type Blocks<Role> = Exclude<Extract<MessageParam, { role: Role }>['content'], string>;
type UserBlock = Blocks<'user'>[number];
type ToolResult = Extract<UserBlock, { type: 'tool_result' }>;

/** @throws ApiError 400 naming the block that cannot be given to a text model, or the result without its call */
export function toChat(
  { messages, system }: Pick<MessagePrompt, 'messages' | 'system'>,
  seal: Seal,
): AnthropicChat {
  checkResults(messages);
  const instructions = textOf(system ?? '');
  const last = messages.at(-1)!;
  const prefix = last.role === 'assistant' ? prefixOf(last, messages.length - 1, seal) : undefined;
  const spoken = prefix === undefined ? messages : messages.slice(0, -1);
  const chat = [
    ...(instructions === '' ? [] : [{ role: 'system', content: instructions }]),
    ...spoken.flatMap((message, i) => toMessages(message, `messages[${i}]`, seal)),
  ];
  return { messages: chat, ...(prefix === undefined ? {} : { answerPrefix: prefix }) };
}

function toMessages(message: MessageParam, at: string, seal: Seal): ChatMessage[] {
  if (message.role === 'system') return [{ role: 'system', content: textOf(message.content) }];
  if (message.role === 'assistant') return [toAssistant(message, at, seal)];
  const { content } = message;
  if (typeof content === 'string') return [{ role: 'user', content }];
  const results = content.filter((block): block is ToolResult => block.type === 'tool_result');
  const said = content.flatMap((block, i) =>
    block.type === 'tool_result' ? [] : [blockText(block, `${at}.content[${i}]`)],
  );
  return [
    ...results.map((result) => toResult(result, `${at}.content[${content.indexOf(result)}]`)),
    ...(said.length > 0 ? [{ role: 'user', content: said.join('\n') }] : []),
  ];
}

/** Templates know no failed results: their text says so. */
function toResult({ content, tool_use_id, is_error }: ToolResult, at: string): ChatMessage {
  const parts = typeof content === 'string' ? [content] : (content ?? []);
  const text = parts
    .map((part, i) => (typeof part === 'string' ? part : blockText(part, `${at}.content[${i}]`)))
    .join('\n');
  return { role: 'tool', tool_call_id: tool_use_id, content: is_error ? `Error: ${text}` : text };
}

type Readable = Exclude<UserBlock, { type: 'tool_result' }> | { type: 'tool_reference' };

function blockText(block: Readable, at: string): string {
  if (block.type === 'text') return block.text;
  if (block.type !== 'document') {
    throw unsupported(at, `Content of type '${block.type}'`, "Send blocks of type 'text'.");
  }
  const { source, title, context, citations } = block;
  if (citations?.enabled) throw unsupported(`${at}.citations`, 'Citing documents', 'Remove it.');
  if (source.type !== 'text') {
    throw unsupported(`${at}.source`, 'A document that is not plain text', "Send its text as type 'text'.");
  }
  return [title, context, source.data].filter(Boolean).join('\n');
}

type Assistant = Extract<MessageParam, { role: 'assistant' }>;

function toAssistant({ content }: Assistant, at: string, seal: Seal): ChatMessage {
  if (typeof content === 'string') return { role: 'assistant', content };
  const texts: string[] = [];
  const thoughts: string[] = [];
  const calls: NonNullable<ChatMessage['tool_calls']>[number][] = [];
  content.forEach((block, i) => {
    switch (block.type) {
      case 'text':
        texts.push(block.text);
        break;
      case 'thinking':
        thoughts.push(block.thinking || (seal.open(block.signature) ?? ''));
        break;
      case 'redacted_thinking':
        // Sealed by another server: nobody here can read it.
        break;
      case 'tool_use': {
        const { id, name, input } = block;
        calls.push({ id, type: 'function', function: { name, arguments: JSON.stringify(input) } });
        break;
      }
      default:
        throw unsupported(`${at}.content[${i}]`, `Content of type '${block.type}'`, 'Leave it out.');
    }
  });
  const thought = thoughts.join('\n');
  return {
    role: 'assistant',
    content: texts.length === 0 && calls.length > 0 ? null : texts.join('\n'),
    ...(thought === '' ? {} : { reasoning_content: thought }),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  };
}

function prefixOf(message: Assistant, index: number, seal: Seal): string {
  const { content, tool_calls: calls } = toAssistant(message, `messages[${index}]`, seal);
  const param = `messages[${index}].content`;
  if (calls) {
    throw invalid(
      param,
      'the last message calls tools: send their results after it, as a message of the user',
    );
  }
  const text = content as string;
  if (text !== text.trimEnd()) {
    throw invalid(param, 'the beginning of an answer must not end with white space: leave it out');
  }
  return text;
}

/** Results answer the calls of the message before, and each call gets one: otherwise templates fail obscurely. */
function checkResults(messages: readonly MessageParam[]): void {
  let open = new Set<string>();
  messages.forEach((message, i) => {
    const blocks = typeof message.content === 'string' ? [] : message.content;
    blocks.forEach((block, k) => {
      if (block.type !== 'tool_result' || open.delete(block.tool_use_id)) return;
      throw invalid(
        `messages[${i}].content[${k}].tool_use_id`,
        `'${block.tool_use_id}' is no call of the message before, or was answered already`,
      );
    });
    const [left] = open;
    if (left !== undefined) {
      throw invalid(
        `messages[${i}]`,
        `the call '${left}' of the message before has no result here; send a block of type 'tool_result' for it`,
      );
    }
    open = new Set(blocks.flatMap((block) => (block.type === 'tool_use' ? [block.id] : [])));
  });
}

function invalid(param: string, what: string): ApiError {
  return new ApiError(400, `Invalid '${param}': ${what}.`, { param, code: 'invalid_value' });
}

function textOf(content: string | readonly { readonly text: string }[]): string {
  return typeof content === 'string' ? content : content.map(({ text }) => text).join('\n');
}
