/**
 * `functions` and `function_call`, by which calls of tools were asked for and answered before `tools`: requests become
 * those of tools, and their answers take the older form again.
 */

import type { ToolMessage } from './chat-messages.ts';
import { ApiError } from './http/api-error.ts';
import type { ChatRequest, ChatRequestMessage } from './schemas/chat-request.ts';
import type { ChatChunk, ChatResponse } from './schemas/chat-response.ts';

/** A request in terms of tools alone. */
export type ToolRequest = Omit<ChatRequest, 'messages' | 'functions' | 'function_call'> & {
  readonly messages: ToolMessage[];
};

/** Whether the answer is to be in the older form. */
export function asksForFunctions({ functions }: ChatRequest): boolean {
  return (functions?.length ?? 0) > 0;
}

/**
 * The request in terms of tools. Messages of earlier calls are translated whether it asks for functions or not.
 * @throws ApiError 400 where old and new are mixed, or a result answers no call
 */
export function withTools(body: ChatRequest): ToolRequest {
  const { functions, function_call: choice, ...rest } = body;
  const messages = toolMessages(body.messages);
  if (!functions || functions.length === 0) {
    if (choice && choice !== 'none' && choice !== 'auto')
      throw invalid('function_call', "'function_call' chooses among 'functions', and there are none.");
    return { ...rest, messages };
  }
  for (const [given, old] of [
    ['tools', 'functions'],
    ['tool_choice', 'functions'],
  ] as const) {
    const value = body[given];
    if (value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0))
      throw invalid(
        old,
        `'${old}' is the older form of 'tools', and '${given}' is there too. Send one form.`,
      );
  }
  return {
    ...rest,
    messages,
    tools: functions.map((one) => ({ type: 'function', function: one })),
    ...(choice ? { tool_choice: toToolChoice(choice) } : {}),
    // The older form has room for one call.
    parallel_tool_calls: false,
  };
}

function toToolChoice(choice: NonNullable<ChatRequest['function_call']>): ChatRequest['tool_choice'] {
  return typeof choice === 'string' ? choice : { type: 'function', function: choice };
}

/** Calls get ids by their places, and each result that of the call before it. */
function toolMessages(messages: readonly ChatRequestMessage[]): ToolMessage[] {
  let last: { readonly id: string; readonly name: string } | undefined;
  return messages.map((message, i): ToolMessage => {
    if (message.role === 'function') {
      if (last?.name !== message.name) {
        throw invalid(
          `messages[${i}].name`,
          `'messages[${i}]' is the result of '${message.name}', but no 'function_call' of it stands before.`,
        );
      }
      return { role: 'tool', tool_call_id: last.id, content: message.content ?? '' };
    }
    if (message.role !== 'assistant' || !message.function_call) return message;
    const { function_call: called, ...rest } = message;
    if (rest.tool_calls && rest.tool_calls.length > 0)
      throw invalid(
        `messages[${i}].function_call`,
        "A message has 'tool_calls' or 'function_call', not both.",
      );
    // Some templates take nine letters and digits only.
    last = { id: `call${String(i).padStart(5, '0')}`, name: called.name };
    return { ...rest, tool_calls: [{ id: last.id, type: 'function', function: called }] };
  });
}

export function withFunctionCall(response: ChatResponse): ChatResponse {
  return {
    ...response,
    choices: response.choices.map(
      ({ message: { tool_calls: calls, ...message }, finish_reason, ...choice }) => ({
        ...choice,
        message: { ...message, ...(calls?.[0] ? { function_call: calls[0].function } : {}) },
        finish_reason: olderReason(finish_reason),
      }),
    ),
  };
}

export async function* withFunctionCallPieces(chunks: AsyncIterable<ChatChunk>): AsyncGenerator<ChatChunk> {
  for await (const chunk of chunks) {
    yield {
      ...chunk,
      choices: chunk.choices.map(({ delta: { tool_calls: calls, ...delta }, finish_reason, ...choice }) => ({
        ...choice,
        delta: { ...delta, ...(calls?.[0] ? { function_call: calls[0].function } : {}) },
        finish_reason: finish_reason && olderReason(finish_reason),
      })),
    };
  }
}

type Reason = ChatResponse['choices'][number]['finish_reason'];

function olderReason(reason: Reason): Reason {
  return reason === 'tool_calls' ? 'function_call' : reason;
}

function invalid(param: string, message: string): ApiError {
  return new ApiError(400, message, { param, code: 'invalid_value' });
}
