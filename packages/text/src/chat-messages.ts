/** Messages as templates expect them: plain text where they read text, tool arguments as objects. */

import type { ChatContentPart, ChatMessage, ChatToolCall } from './chat-template-types.ts';

/** `keepParts`: the template reads content as a list of parts only. */
export function templateMessage(message: ChatMessage, keepParts: boolean): Record<string, unknown> {
  const { content, reasoning_content: reasoning, tool_calls: calls, ...rest } = message;
  const result: Record<string, unknown> = { ...rest, content: templateContent(content, keepParts, calls) };
  // gpt-oss reads the reasoning as `thinking`.
  if (reasoning !== undefined) {
    result.reasoning_content = reasoning;
    result.thinking ??= reasoning;
  }
  if (calls && calls.length > 0) result.tool_calls = calls.map(templateToolCall);
  return result;
}

function templateContent(
  content: ChatMessage['content'],
  keepParts: boolean,
  calls: readonly ChatToolCall[] | undefined,
): unknown {
  // Templates test for null to see that a message only calls tools; elsewhere null would break their string work.
  if (content === null || content === undefined) return calls && calls.length > 0 ? null : '';
  if (typeof content === 'string') return keepParts ? [{ type: 'text', text: content }] : content;
  const allText = content.every((part) => part.type === 'text');
  return allText && !keepParts ? joinText(content) : content;
}

function joinText(parts: readonly ChatContentPart[]): string {
  return parts.map((part) => part.text ?? '').join('\n');
}

/** Arguments are JSON text on the wire; templates print them as JSON themselves. Text that is no object stays. */
function templateToolCall(call: ChatToolCall): ChatToolCall {
  const { arguments: given, name } = call.function;
  if (typeof given !== 'string') return call;
  try {
    const parsed: unknown = JSON.parse(given);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
      return { ...call, function: { ...call.function, name, arguments: parsed as Record<string, unknown> } };
    }
  } catch {
    // A model wrote these arguments; showing them as they are is all that can be done.
  }
  return call;
}
