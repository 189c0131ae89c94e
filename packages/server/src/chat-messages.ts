/** Messages of the wire as the templates take them: plain text, and roles that open-weight models know. */

import type { ChatMessage } from '@steelyard/text';
import { ApiError, unsupported } from './http/api-error.ts';
import type { ChatRequestMessage } from './schemas/chat-request.ts';

/** @throws ApiError 400 naming the message or the part that cannot be given to a text model */
export function toChatMessages(messages: readonly ChatRequestMessage[]): ChatMessage[] {
  return messages.map((message, i) => toChatMessage(message, `messages[${i}]`));
}

function toChatMessage(message: ChatRequestMessage, at: string): ChatMessage {
  if (message.role === 'tool' || message.role === 'function') {
    throw unsupported(
      `${at}.role`,
      `The role '${message.role}'`,
      'Tool results can be told in a user message.',
    );
  }
  if (message.role === 'assistant') return toAssistant(message, at);
  return {
    // Templates of open-weight models know the newer name's older twin.
    role: message.role === 'developer' ? 'system' : message.role,
    content: toText(message.content, `${at}.content`),
    ...(message.name ? { name: message.name } : {}),
  };
}

function toAssistant(message: Extract<ChatRequestMessage, { role: 'assistant' }>, at: string): ChatMessage {
  if (message.tool_calls?.length) {
    throw unsupported(
      `${at}.tool_calls`,
      'A message with tool calls',
      'Remove it, or tell its content as text.',
    );
  }
  if (message.function_call) {
    throw unsupported(`${at}.function_call`, 'A message with a function call', 'Tell its content as text.');
  }
  if (message.audio) throw unsupported(`${at}.audio`, 'Audio', 'Send the transcript as text.');
  const content = message.content ?? message.refusal;
  if (content === null || content === undefined) {
    throw new ApiError(400, `Missing parameter: '${at}.content'. An assistant message needs text.`, {
      param: `${at}.content`,
      code: 'missing_required_parameter',
    });
  }
  return {
    role: 'assistant',
    content: toText(content, `${at}.content`),
    ...(message.name ? { name: message.name } : {}),
    ...(message.reasoning_content ? { reasoning_content: message.reasoning_content } : {}),
  };
}

type Part = Exclude<ChatRequestMessage['content'], string | null | undefined>[number];

/** Parts become lines of one text: most templates take nothing but a string. */
function toText(content: string | readonly Part[], at: string): string {
  if (typeof content === 'string') return content;
  const lines = content.map((part, i) => {
    if (part.type === 'text') return part.text;
    if (part.type === 'refusal') return part.refusal;
    throw unsupported(`${at}[${i}]`, `Content of type '${part.type}'`, "Send parts of type 'text' only.");
  });
  return lines.join('\n');
}
