/** How the answer to a chat is read, and what it is held to: by the model's template and what the request asks. */

import { RequestError } from '@steelyard/core';
import {
  forcedCall,
  readsToolCalls,
  replyFormat,
  type ChatTemplate,
  type ReplyFormat,
} from '@steelyard/text';
import type { Constraint } from './constraint/constraint.ts';
import type { ChatOptions } from './types.ts';

export interface ReplyPlan {
  readonly reply?: ReplyFormat;
  readonly constraint?: Constraint;
}

/**
 * @param model name, for messages
 * @throws RequestError for tools that the model cannot call so that it can be told, or be made to call
 */
export function planReply(
  model: string,
  template: ChatTemplate | undefined,
  options: ChatOptions,
): ReplyPlan {
  const { parseReply = false, tools = [], constraint, toolChoice } = options;
  if (!parseReply) return constraint ? { constraint } : {};
  checkTools(model, template, tools);
  if (toolChoice) return planCall(model, template, tools, toolChoice);
  // An answer under a constraint is text.
  if (constraint) return { constraint };
  const reply = template && replyFormat(template, tools.length > 0);
  return reply ? { reply } : {};
}

function checkTools(model: string, template: ChatTemplate | undefined, tools: readonly unknown[]): void {
  if (tools.length === 0 || (template && readsToolCalls(template))) return;
  throw new RequestError(
    `${model} calls no tools that can be told from its text: its chat template marks none in a known way. ` +
      'Use a model made for tools, or describe them in a system message and read the answer yourself.',
    'tools',
  );
}

interface FunctionTool {
  readonly function: { readonly name: string; readonly parameters?: unknown };
}

function planCall(
  model: string,
  template: ChatTemplate | undefined,
  tools: readonly unknown[],
  choice: NonNullable<ChatOptions['toolChoice']>,
): ReplyPlan {
  const all = (tools as readonly FunctionTool[]).map((tool) => tool.function);
  const allowed = choice === 'required' ? all : all.filter(({ name }) => name === choice.name);
  if (allowed.length === 0) {
    const wanted = choice === 'required' ? 'a call is required' : `the tool '${choice.name}' is`;
    const given = all.map(({ name }) => `'${name}'`).join(', ') || 'none';
    throw new RequestError(`${wanted} chosen, but the tools given are: ${given}`, 'tool_choice');
  }
  const forced = template && forcedCall(template);
  if (!forced) {
    throw new RequestError(
      `${model} cannot be made to call a tool: it marks calls with tokens of its own. Choose 'auto'.`,
      'tool_choice',
    );
  }
  const { before, after, arguments: key } = forced.call;
  const schema = {
    anyOf: allowed.map(({ name, parameters }) => ({
      type: 'object',
      properties: {
        name: { const: name },
        [key]: parameters ?? { type: 'object', properties: {}, additionalProperties: false },
      },
      required: ['name', key],
      additionalProperties: false,
    })),
  };
  return { reply: forced.format, constraint: { type: 'json_schema', schema, before, after } };
}
