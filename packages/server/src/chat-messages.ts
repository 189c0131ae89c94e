/** Messages of the wire as the templates take them: plain text, and roles that open-weight models know. */

import type { ChatMessage } from '@steelyard/text';
import { ApiError, unsupported } from './http/api-error.ts';
import type { ChatRequestMessage } from './schemas/chat-request.ts';

/** Messages in the present form: results of functions are results of tools. */
export type ToolMessage = Exclude<ChatRequestMessage, { role: 'function' }>;

/** @throws ApiError 400 naming the message or the part that cannot be given to a text model */
export function toChatMessages(messages: readonly ToolMessage[]): ChatMessage[] {
  const calls = new Set<string>();
  return messages.map((message, i) => {
    if (message.role === 'tool' && !calls.has(message.tool_call_id)) throw answersNothing(message, i);
    if (message.role === 'assistant') for (const { id } of message.tool_calls ?? []) calls.add(String(id));
    return toChatMessage(message, `messages[${i}]`);
  });
}

function answersNothing({ tool_call_id: id }: { readonly tool_call_id: string }, i: number): ApiError {
  return new ApiError(
    400,
    `'messages[${i}]' is the result of the tool call '${id}', which no message before it has among its 'tool_calls'. ` +
      'Send the message with the call too.',
    { param: `messages[${i}].tool_call_id`, code: 'invalid_value' },
  );
}

function toChatMessage(message: ToolMessage, at: string): ChatMessage {
  if (message.role === 'tool') {
    const { role, content, tool_call_id } = message;
    return { role, content: toText(content, `${at}.content`), tool_call_id };
  }
  if (message.role === 'assistant') return toAssistant(message, at);
  return {
    // Templates of open-weight models know the newer name's older twin.
    role: message.role === 'developer' ? 'system' : message.role,
    content: toText(message.content, `${at}.content`),
    ...(message.name ? { name: message.name } : {}),
  };
}

function toAssistant(message: Extract<ToolMessage, { role: 'assistant' }>, at: string): ChatMessage {
  if (message.audio) throw unsupported(`${at}.audio`, 'Audio', 'Send the transcript as text.');
  const calls = (message.tool_calls ?? []).map((call, i) => {
    if (call.type === 'function') return call;
    throw new Error(`${at}.tool_calls[${i}]: calls of custom tools are those of functions by now`);
  });
  const content = message.content ?? message.refusal ?? null;
  if (content === null && calls.length === 0) {
    throw new ApiError(
      400,
      `Missing parameter: '${at}.content'. An assistant message needs text or tool calls.`,
      {
        param: `${at}.content`,
        code: 'missing_required_parameter',
      },
    );
  }
  return {
    role: 'assistant',
    content: content === null ? null : toText(content, `${at}.content`),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
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
