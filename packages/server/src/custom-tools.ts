/**
 * Custom tools of chat completions, whose input is text. Models are told of them as of functions with one argument, and
 * calls of those become calls of custom tools again; where a pattern is asked for, that argument is held to it.
 */

import { RequestError } from '@steelyard/core';
import { checkConstraint } from '@steelyard/engine';
import { ApiError, unsupported } from './http/api-error.ts';
import type { ChatRequest, CustomTool } from './schemas/chat-request.ts';
import type { ChatChunk, ChatResponse } from './schemas/chat-response.ts';
import type { WireChunk, WireResponse } from './schemas/custom-calls.ts';

type Tool = NonNullable<ChatRequest['tools']>[number];
type Message = ChatRequest['messages'][number];
type Choice = ChatRequest['tool_choice'];

const NO_NAMES: ReadonlySet<string> = new Set();

/** Names of the custom tools. @throws ApiError 400 for a name that a function has too */
export function customNames({ tools }: ChatRequest): ReadonlySet<string> {
  const custom = (tools ?? []).flatMap((tool) => (tool.type === 'custom' ? tool.custom.name : []));
  if (custom.length === 0) return NO_NAMES;
  const seen = new Set<string>();
  tools?.forEach((tool, i) => {
    if (tool.type === 'mcp') return;
    const { name } = tool.type === 'custom' ? tool.custom : tool.function;
    if (seen.has(name)) {
      throw new ApiError(400, `There are two tools '${name}'. Give each a name of its own.`, {
        param: `tools[${i}].${tool.type}.name`,
        code: 'invalid_value',
      });
    }
    seen.add(name);
  });
  return new Set(custom);
}

/**
 * The request in terms of functions.
 * @throws ApiError 400 for a grammar that inputs cannot be held to
 */
export function withoutCustomTools(body: ChatRequest): ChatRequest {
  return {
    ...body,
    messages: body.messages.map(withFunctionCalls),
    ...(body.tools ? { tools: body.tools.map((tool, i) => toFunction(tool, `tools[${i}]`)) } : {}),
    ...(body.tool_choice ? { tool_choice: functionChoice(body.tool_choice) } : {}),
  };
}

function toFunction(tool: Tool, at: string): Tool {
  if (tool.type !== 'custom') return tool;
  const { name, description, format } = tool.custom;
  const pattern =
    format?.type === 'grammar' ? patternOf(format.grammar, `${at}.custom.format.grammar`) : undefined;
  const input = { type: 'string', ...(pattern === undefined ? {} : { pattern: `^(?:${pattern})$` }) };
  const parameters = {
    ...{ type: 'object', properties: { input }, required: ['input'], additionalProperties: false },
  };
  return {
    type: 'function',
    function: {
      ...{ name, parameters },
      ...(description ? { description } : {}),
      ...(pattern === undefined ? {} : { strict: true }),
    },
  };
}

type Grammar = Extract<NonNullable<CustomTool['format']>, { type: 'grammar' }>['grammar'];

/** All of the input matches, so that anchors at the ends say nothing. */
function patternOf({ syntax, definition }: Grammar, at: string): string {
  if (syntax === 'lark') {
    throw unsupported(
      `${at}.syntax`,
      'A grammar in the syntax of Lark',
      "Send 'regex', or hold the whole answer to a grammar with 'response_format'.",
    );
  }
  const pattern = definition.replace(/^\^/, '').replace(/(?<=(?:^|[^\\])(?:\\\\)*)\$$/, '');
  try {
    checkConstraint({ type: 'regex', pattern: `^(?:${pattern})$` });
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    const param = `${at}.definition`;
    throw new ApiError(400, `Invalid '${param}': ${error.message}.`, {
      ...{ param, code: 'invalid_grammar', cause: error },
    });
  }
  return pattern;
}

function functionChoice(choice: NonNullable<Choice>): Choice {
  if (typeof choice !== 'object') return choice;
  if (choice.type === 'custom') return { type: 'function', function: choice.custom };
  if (choice.type !== 'allowed_tools') return choice;
  const { mode, tools } = choice.allowed_tools;
  const named = tools.map((tool) =>
    tool.type === 'custom' ? ({ type: 'function', function: tool.custom } as const) : tool,
  );
  return { type: 'allowed_tools', allowed_tools: { mode, tools: named } };
}

function withFunctionCalls(message: Message): Message {
  if (message.role !== 'assistant' || !message.tool_calls) return message;
  const calls = message.tool_calls.map((call) => {
    if (call.type === 'function') return call;
    const { name, input } = call.custom;
    return {
      id: call.id,
      type: 'function' as const,
      function: { name, arguments: JSON.stringify({ input }) },
    };
  });
  return { ...message, tool_calls: calls };
}

/** The answer with calls of custom tools by their own form. */
export function withCustomCalls(names: ReadonlySet<string>, response: ChatResponse): WireResponse {
  if (names.size === 0) return response;
  return {
    ...response,
    choices: response.choices.map(({ message: { tool_calls: calls, ...message }, ...choice }) => ({
      ...choice,
      message: {
        ...message,
        ...(calls
          ? {
              tool_calls: calls.map(({ id, function: { name, arguments: args }, ...call }) =>
                names.has(name)
                  ? { id, type: 'custom' as const, custom: { name, input: inputOf(args) } }
                  : { id, ...call, function: { name, arguments: args } },
              ),
            }
          : {}),
      },
    })),
  };
}

/** A model that is not held to the argument may write something else: that is then the input. */
function inputOf(args: string): string {
  try {
    const { input } = JSON.parse(args) as { input?: unknown };
    return typeof input === 'string' ? input : args;
  } catch {
    return args;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

type Piece = NonNullable<ChatChunk['choices'][number]['delta']['tool_calls']>[number];

/** Calls of custom tools come whole, with the end of their answer: what a piece of JSON means is known at its end. */
export async function* withCustomCallPieces(
  names: ReadonlySet<string>,
  chunks: AsyncIterable<ChatChunk>,
): AsyncGenerator<WireChunk> {
  if (names.size === 0) {
    yield* chunks;
    return;
  }
  /** By choice and place of the call. */
  const open = new Map<string, { readonly piece: Piece; text: string }>();
  const take = (choice: number, piece: Piece): boolean => {
    const key = `${choice} ${piece.index}`;
    const known = open.get(key);
    if (known) known.text += piece.function.arguments;
    else if (piece.function.name !== undefined && names.has(piece.function.name))
      open.set(key, { piece, text: piece.function.arguments });
    else return false;
    return true;
  };
  /** Of a call that was cut off there is no input. */
  const whole = (choice: number, isCut: boolean) =>
    [...open].flatMap(([key, { piece, text }]) =>
      key.startsWith(`${choice} `) && !(isCut && !isJson(text))
        ? {
            ...{ index: piece.index, id: piece.id!, type: 'custom' as const },
            custom: { name: piece.function.name!, input: inputOf(text) },
          }
        : [],
    );
  for await (const chunk of chunks) {
    const choices = chunk.choices.flatMap((choice): WireChunk['choices'] => {
      const { tool_calls: pieces, ...delta } = choice.delta;
      const rest = pieces?.filter((piece) => !take(choice.index, piece));
      const { finish_reason: reason } = choice;
      const done = reason === null ? [] : whole(choice.index, reason === 'length');
      const calls = [...(rest ?? []), ...done];
      if (pieces && calls.length === 0) return [];
      return [{ ...choice, delta: { ...delta, ...(calls.length > 0 ? { tool_calls: calls } : {}) } }];
    });
    if (choices.length > 0 || chunk.choices.length === 0) yield { ...chunk, choices };
  }
}
