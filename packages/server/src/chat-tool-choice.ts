/** `tool_choice` of a chat completion: which tools there are for this answer, and what is asked of them. */

import type { ChatAsk } from './chat-options.ts';
import { ApiError } from './http/api-error.ts';
import type { ToolRequest } from './legacy-functions.ts';
import type { Named, ToolChoice } from './tool-loop/toolbox.ts';

type Tool = NonNullable<ToolRequest['tools']>[number];
type Allowed = Extract<
  NonNullable<ToolRequest['tool_choice']>,
  { type: 'allowed_tools' }
>['allowed_tools']['tools'][number];
type Choice = ToolRequest['tool_choice'];

/** For one round without tools of the server. @throws ApiError 400 for an allowed tool that is not there */
export function toolsAndChoice({
  tools,
  tool_choice: choice,
}: ToolRequest): Pick<ChatAsk, 'tools' | 'toolChoice'> {
  const allowed = allowedOf(choice, tools ?? []);
  if (!allowed) return { tools, toolChoice: toToolChoice(choice) };
  const { mode } = toLoopChoice(choice, tools ?? []);
  return { tools: tools!.filter((tool) => allowed.some((named) => isNamed(tool, named))), toolChoice: mode };
}

/** For an answer in rounds. @throws ApiError 400 for an allowed tool that is not there */
export function toLoopChoice(choice: Choice, tools: readonly Tool[]): ToolChoice {
  if (typeof choice !== 'object' || !choice) return { mode: choice ?? 'auto' };
  if (choice.type === 'function')
    return { mode: 'auto', first: { type: 'function', name: choice.function.name } };
  if (choice.type !== 'allowed_tools') return { mode: 'auto' };
  return { mode: choice.allowed_tools.mode, allowed: allowedOf(choice, tools)! };
}

function toToolChoice(choice: Choice): ChatAsk['toolChoice'] {
  if (typeof choice !== 'object' || !choice) return choice;
  return choice.type === 'function' ? choice.function : undefined;
}

/** Undefined where all are allowed. */
function allowedOf(choice: Choice, tools: readonly Tool[]): readonly Named[] | undefined {
  if (typeof choice !== 'object' || choice?.type !== 'allowed_tools') return undefined;
  return choice.allowed_tools.tools.map((given, i) => {
    const named = namedBy(given);
    if (tools.some((tool) => isNamed(tool, named))) return named;
    const at = `tool_choice.allowed_tools.tools[${i}]`;
    const what = named.type === 'function' ? `'${named.name}'` : `mcp '${named.server_label}'`;
    throw new ApiError(400, `'${at}' names ${what}, which is not among the tools. Add it to 'tools'.`, {
      param: at,
      code: 'invalid_value',
    });
  });
}

/** Custom tools are functions by now. */
function namedBy(given: Allowed): Exclude<Named, { type: 'file_search' }> {
  if (given.type === 'mcp') return given;
  const { name } = given.type === 'function' ? given.function : given.custom;
  return { type: 'function', name };
}

function isNamed(tool: Tool, named: Named): boolean {
  if (tool.type === 'function') return named.type === 'function' && tool.function.name === named.name;
  return tool.type === 'mcp' && named.type === 'mcp' && tool.server_label === named.server_label;
}
