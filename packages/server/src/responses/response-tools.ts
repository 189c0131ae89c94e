/** What a response's tools come to: functions of the caller, tools that run here, and which of them is called. */

import type { ProjectStorage } from '@steelyard/storage';
import { checkReads } from '../access/scopes.ts';
import type { Call } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import type { ResponseRequest } from '../schemas/response-request.ts';
import type { FileSearchTool, McpTool } from '../schemas/server-tools.ts';
import type { ApprovalRequest, McpList } from '../schemas/tool-items.ts';
import { fileSearch } from '../tool-loop/file-search.ts';
import { mcpTools, type McpPlan } from '../tool-loop/mcp-tools.ts';
import type { ToolSource } from '../tool-loop/server-tool.ts';
import type { ClientTool, Named, ToolChoice } from '../tool-loop/toolbox.ts';
import type { LoopPlan } from '../tool-loop/tool-loop.ts';
import type { ResponseContext } from './context.ts';
import { found } from './stored-responses.ts';
import { knownPassages } from './items-to-messages.ts';

type Tool = NonNullable<ResponseRequest['tools']>[number];
type Choice = NonNullable<ResponseRequest['tool_choice']>;

/** @throws ApiError naming the tool that is not to be had, or not by this caller */
export async function responseTools(
  call: Call<ResponseRequest>,
  context: ResponseContext,
): Promise<Pick<LoopPlan, 'client' | 'sources' | 'choice'>> {
  const { tools, tool_choice: choice } = call.body;
  refuseTwins(tools ?? []);
  refuseLostApprovals(context, tools ?? []);
  const sources: ToolSource[] = [];
  for (const [i, tool] of (tools ?? []).entries()) {
    if (tool.type === 'mcp') sources.push(mcpTools(call, mcpPlan(context, tool, `tools[${i}]`)));
    if (tool.type === 'file_search') sources.push(await toFileSearch(call, context, tool, `tools[${i}]`));
  }
  return { client: (tools ?? []).flatMap(toClientTool), sources, choice: toChoice(choice ?? 'auto') };
}

/** A search is one, however many stores it has; a server is known by its label. */
function refuseTwins(tools: readonly Tool[]): void {
  const seen = new Set<string>();
  tools.forEach((tool, i) => {
    if (tool.type !== 'file_search' && tool.type !== 'mcp') return;
    const what = tool.type === 'mcp' ? `mcp '${tool.server_label}'` : tool.type;
    if (seen.has(what)) {
      const param = tool.type === 'mcp' ? `tools[${i}].server_label` : `tools[${i}]`;
      throw new ApiError(400, `There are two tools '${what}'. Send each once.`, {
        param,
        code: 'invalid_value',
      });
    }
    seen.add(what);
  });
}

/** A list that is known already is not asked for again. */
function mcpPlan(context: ResponseContext, tool: McpTool, at: string): McpPlan {
  const isOwn = ({ server_label }: { server_label: string }) => server_label === tool.server_label;
  const listed = [...context.history, ...context.input].findLast(
    (item): item is McpList => item.type === 'mcp_list_tools' && isOwn(item) && item.error === null,
  );
  return { tool, at, listed, approved: approvedNow(context).filter(isOwn) };
}

/** Calls that the input approves, and that were not made since. */
function approvedNow({ history, input }: ResponseContext): ApprovalRequest[] {
  const all = [...history, ...input];
  const made = new Set(all.flatMap((item) => (item.type === 'mcp_call' ? item.approval_request_id : [])));
  return input.flatMap((item) => {
    if (item.type !== 'mcp_approval_response' || !item.approve || made.has(item.approval_request_id))
      return [];
    made.add(item.approval_request_id);
    return all.filter(
      (one): one is ApprovalRequest =>
        one.type === 'mcp_approval_request' && one.id === item.approval_request_id,
    );
  });
}

function refuseLostApprovals(context: ResponseContext, tools: readonly Tool[]): void {
  for (const { server_label: label } of approvedNow(context)) {
    if (tools.some((tool) => tool.type === 'mcp' && tool.server_label === label)) continue;
    throw new ApiError(
      400,
      `A call of the MCP server '${label}' is approved, which is not among the tools. Send it in 'tools' again.`,
      { param: 'tools', code: 'invalid_value' },
    );
  }
}

async function toFileSearch(
  call: Call<ResponseRequest>,
  context: ResponseContext,
  tool: FileSearchTool,
  at: string,
): Promise<ToolSource> {
  checkReads(call.caller, 'vector_stores');
  const { vectorStores: stores }: ProjectStorage = await call.storage();
  const missing = { status: 404, param: `${at}.vector_store_ids`, code: 'vector_store_not_found' };
  for (const id of tool.vector_store_ids) await found(stores.get(id), missing);
  const { tool_choice: choice, include } = call.body;
  return fileSearch(call, {
    tool,
    stores,
    isOffered: isOffered(choice),
    isFirst: typeof choice === 'object' && choice?.type === 'file_search',
    includesResults: include?.includes('file_search_call.results') ?? false,
    known: knownPassages([...context.history, ...context.input]),
  });
}

/** `none` leaves nothing in, and a list what it names. */
function isOffered(choice: ResponseRequest['tool_choice']): boolean {
  if (typeof choice !== 'object' || !choice) return choice !== 'none';
  return choice.type !== 'allowed_tools' || choice.tools.some(({ type }) => type === 'file_search');
}

function toClientTool(tool: Tool): ClientTool[] {
  if (tool.type !== 'function') return [];
  const { type, name, description, parameters, strict } = tool;
  const declared = {
    name,
    ...(description ? { description } : {}),
    ...(parameters ? { parameters } : {}),
    ...(strict ? { strict } : {}),
  };
  return [{ type, function: declared }];
}

/** Other choices have been refused. */
function toChoice(choice: Choice): ToolChoice {
  if (typeof choice !== 'object') return { mode: choice };
  if (choice.type === 'allowed_tools') return { mode: choice.mode, allowed: choice.tools as Named[] };
  // The search is made first by itself; what the model calls then is its own choice.
  if (choice.type === 'file_search') return { mode: 'auto' };
  return { mode: 'auto', first: choice as Named };
}
