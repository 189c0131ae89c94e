/** What the engine is asked by a request in Anthropic's shape, and what of it this server cannot do. */

import type { ChatOptions, ModelInfo } from '@steelyard/engine';
import { toChatOptions, type ChatAsk } from '../chat-options.ts';
import { ApiError, unsupported } from '../http/api-error.ts';
import type { Seal } from '../responses/sealed-reasoning.ts';
import type { CustomTool, MessagePrompt, MessageRequest } from '../schemas/message-request.ts';
import { schemaConstraint } from '../schemas/response-format.ts';
import { toChat, type AnthropicChat } from './to-chat.ts';

export interface PreparedMessage extends AnthropicChat {
  /** For the engine. @param signal ends the answer */
  readonly options: (signal: AbortSignal) => ChatOptions;
  /** Calls may come several at a time. */
  readonly parallel: boolean;
  /** Thoughts are not shown, but go with the signature. */
  readonly hidesThoughts: boolean;
}

/** @throws ApiError 400 naming what is not supported or does not fit together */
export function prepareMessage(body: MessagePrompt & Partial<MessageRequest>, seal: Seal): PreparedMessage {
  refuseUnsupported(body);
  const chat = toChat(body, seal);
  const ask = askOf(body);
  const { tool_choice: choice, thinking } = body;
  return {
    ...chat,
    parallel: !(choice && choice.type !== 'none' && choice.disable_parallel_tool_use),
    hidesThoughts: !!thinking && 'display' in thinking && thinking.display === 'omitted',
    options: (signal) => ({
      ...toChatOptions({ ...ask, signal }),
      ...(chat.answerPrefix ? { answerPrefix: chat.answerPrefix } : {}),
    }),
  };
}

function askOf(body: MessagePrompt & Partial<MessageRequest>): Omit<ChatAsk, 'signal'> {
  const { temperature, top_p, top_k, stop_sequences: stop, output_config: output } = body;
  return {
    sampling: { temperature, top_p, top_k, stop, seed: body.seed },
    choice: 0,
    maxTokens: body.max_tokens,
    tools: body.tools?.map((tool) => toTool(tool as CustomTool)),
    toolChoice: toToolChoice(body.tool_choice),
    reasoningEffort: output?.effort,
    maxReasoningTokens: mostThoughts(body.thinking),
    // Without being asked, Anthropic's models do not think; templates without this switch do not read it.
    templateVariables: { enable_thinking: wantsThoughts(body) },
    constraint: output?.format
      ? schemaConstraint(
          { name: 'output_config', schema: output.format.schema },
          'output_config.format',
          'output_config.format.schema',
        )
      : undefined,
  };
}

/** @throws ApiError 400 for a budget of thoughts for a model that has none; `adaptive` leaves it to the model */
export function checkThinking(
  { thinking }: Pick<MessagePrompt, 'thinking'>,
  { name, reasons }: ModelInfo,
): void {
  if (thinking?.type !== 'enabled' || reasons) return;
  throw new ApiError(
    400,
    `Invalid 'thinking': '${name}' does not think before it answers. Remove it, or ask for a model that does.`,
    { param: 'thinking', code: 'unsupported_value' },
  );
}

function wantsThoughts({ thinking, output_config: output }: MessagePrompt): boolean {
  return thinking ? thinking.type !== 'disabled' : Boolean(output?.effort);
}

function mostThoughts(thinking: MessagePrompt['thinking']): number | undefined {
  if (thinking?.type === 'enabled') return thinking.budget_tokens;
  return thinking?.type === 'disabled' ? 0 : undefined;
}

/** As templates have tools. */
function toTool({ name, description, input_schema: parameters, strict }: CustomTool) {
  const named = { name, ...(description ? { description } : {}), parameters };
  return { type: 'function', function: { ...named, ...(strict ? { strict } : {}) } };
}

function toToolChoice(choice: MessagePrompt['tool_choice']): ChatAsk['toolChoice'] {
  if (!choice) return undefined;
  if (choice.type === 'tool') return { name: choice.name };
  return choice.type === 'any' ? 'required' : choice.type;
}

function refuseUnsupported(body: MessagePrompt & Partial<MessageRequest>): void {
  body.tools?.forEach((tool, i) => {
    const at = `tools[${i}]`;
    if (tool.type && tool.type !== 'custom')
      throw unsupported(`${at}.type`, `A tool of type '${tool.type}'`, "Send tools with an 'input_schema'.");
    const { defer_loading, allowed_callers: callers } = tool as CustomTool;
    if (defer_loading) throw unsupported(`${at}.defer_loading`, 'Loading tools later', 'Remove it.');
    if (callers && !callers.includes('direct'))
      throw unsupported(`${at}.allowed_callers`, 'A tool for programs only', "Add 'direct'.");
  });
  if ((body.mcp_servers?.length ?? 0) > 0)
    throw unsupported(
      'mcp_servers',
      'MCP servers in a message',
      "Use POST /v1/responses and its tool 'mcp'.",
    );
  if (body.container !== undefined && body.container !== null)
    throw unsupported('container', 'A container', 'Remove it.');
  if (body.speed === 'fast') throw unsupported('speed', 'Fast mode', 'Remove it.');
  // Thoughts of earlier turns are the template's business, which drops them by itself.
  const edit = body.context_management?.edits?.find(({ type }) => !type.startsWith('clear_thinking'));
  if (edit) throw unsupported('context_management', `The edit '${edit.type}'`, 'Remove it.');
  checkBudget(body);
}

function checkBudget({ thinking, max_tokens: most }: Partial<MessageRequest>): void {
  if (thinking?.type !== 'enabled' || most === undefined || thinking.budget_tokens < most) return;
  throw new ApiError(
    400,
    `Invalid 'thinking.budget_tokens': got ${thinking.budget_tokens}, expected less than 'max_tokens' (${most}).`,
    { param: 'thinking.budget_tokens', code: 'invalid_value' },
  );
}
