/**
 * Tools of models whose template has no place for them but which were taught to call some that a conversation describes:
 * Gemma 3. Definitions go before the first message, calls and results become what the two sides say.
 * @see https://ai.google.dev/gemma/docs/capabilities/function-calling
 */

import type { ChatMessage, ChatToolCall } from '../chat-template-types.ts';

/** Whether a model with this template is told of tools so. */
export function describesTools(template: string): boolean {
  return template.includes('<start_of_turn>') && !template.includes('tools');
}

const HOW =
  'You have access to functions. If you decide to invoke any of the function(s), you MUST put it in the format of\n' +
  '[func_name1(params_name1=params_value1, params_name2=params_value2...), func_name2(params)]\n\n' +
  'You SHOULD NOT include any other text in the response if you call a function';

export function describeInMessages(
  messages: readonly ChatMessage[],
  tools: readonly unknown[],
): ChatMessage[] {
  const definitions = tools.map((tool) => (tool as { function?: unknown }).function ?? tool);
  const described = `${HOW}\n${JSON.stringify(definitions)}`;
  const [first, ...rest] = joinTurns(messages.map(asText));
  if (first?.role === 'system') return [around(first, described), ...rest];
  return [{ role: 'system', content: described }, ...(first ? [first, ...rest] : [])];
}

function asText(message: ChatMessage): ChatMessage {
  const { role, content, tool_calls: calls = [] } = message;
  if (role === 'developer') return { ...message, role: 'system' };
  if (role === 'tool') return around({ role: 'user', content: content ?? '' }, '```tool_output', '```');
  if (role !== 'assistant' || calls.length === 0) return message;
  const said = `[${calls.map(pythonCall).join(', ')}]`;
  return content ? around({ role, content }, '', said) : { role, content: said };
}

/** The message with lines of text before and after its own. */
function around({ role, content }: ChatMessage, before: string, after = ''): ChatMessage {
  const own = typeof content === 'string' ? [{ type: 'text', text: content }] : (content ?? []);
  const lines = (text: string) => (text === '' ? [] : [{ type: 'text', text }]);
  const parts = [...lines(before), ...own, ...lines(after)];
  const plain = parts.every(({ type }) => type === 'text');
  return { role, content: plain ? parts.map(({ text = '' }) => text).join('\n') : parts };
}

/** Sides take turns: what one says twice in a row, as results of several calls, is one message. */
function joinTurns(messages: readonly ChatMessage[]): ChatMessage[] {
  const turns: ChatMessage[] = [];
  for (const message of messages) {
    const last = turns.at(-1);
    if (
      last?.role === message.role &&
      typeof last.content === 'string' &&
      typeof message.content === 'string'
    )
      turns[turns.length - 1] = { ...last, content: `${last.content}\n${message.content}` };
    else turns.push(message);
  }
  return turns;
}

function pythonCall({ function: { name, arguments: given } }: ChatToolCall): string {
  const args = typeof given === 'string' ? parse(given) : given;
  return `${name}(${Object.entries(args)
    .map(([key, value]) => `${key}=${python(value)}`)
    .join(', ')})`;
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    // A model wrote it, and it cannot be shown to it as a call.
    return {};
  }
}

function python(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (Array.isArray(value)) return `[${value.map(python).join(', ')}]`;
  if (typeof value !== 'object') return JSON.stringify(value);
  const entries = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${python(item)}`);
  return `{${entries.join(', ')}}`;
}
