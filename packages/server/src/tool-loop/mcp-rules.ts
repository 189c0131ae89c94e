/** Which tools of an MCP server a request may call, and which calls of them wait for approval. */

import { unsupported } from '../http/api-error.ts';
import type { McpServerConfig } from '../mcp-servers/config.ts';
import type { ListedTool } from '../mcp-servers/connection.ts';
import type { McpTool, ToolFilter } from '../schemas/server-tools.ts';

/** @throws ApiError 400 for what this server knows of such tools and cannot do */
export function refuseUnsupportedMcp(tool: McpTool, at: string): void {
  if (tool.connector_id)
    throw unsupported(`${at}.connector_id`, 'A connector', "Send the 'server_label' of a server.");
  if (tool.tunnel_id)
    throw unsupported(`${at}.tunnel_id`, 'A tunnel', "Send the 'server_label' of a server.");
  if (tool.defer_loading) throw unsupported(`${at}.defer_loading`, 'Loading tools later', 'Remove it.');
  if (tool.allowed_callers && !tool.allowed_callers.includes('direct'))
    throw unsupported(`${at}.allowed_callers`, 'A tool for programs only', "Add 'direct'.");
}

/** Both the operator and the request must allow it. */
export function isAllowed(
  tool: ListedTool,
  { allowed_tools: allowed }: McpTool,
  config: McpServerConfig,
): boolean {
  if (config.allowed_tools && !config.allowed_tools.includes(tool.name)) return false;
  if (!allowed) return true;
  return Array.isArray(allowed) ? allowed.includes(tool.name) : passes(tool, allowed);
}

/** As OpenAI has it, every call does unless the request says otherwise. */
export function needsApproval(
  tool: ListedTool,
  { require_approval: wish }: McpTool,
  config: McpServerConfig,
): boolean {
  if (config.require_approval === 'always') return true;
  if (wish === 'never') return false;
  if (typeof wish !== 'object' || !wish) return true;
  if (wish.always && passes(tool, wish.always)) return true;
  // Where only those are named that wait, the others do not.
  return wish.never ? !passes(tool, wish.never) : !wish.always;
}

/** A tool that does not say so of itself is not taken to leave things as they are. */
function passes({ name, annotations }: ListedTool, { tool_names, read_only }: ToolFilter): boolean {
  const isReadOnly = annotations?.['readOnlyHint'] === true;
  if (typeof read_only === 'boolean' && read_only !== isReadOnly) return false;
  return !tool_names || tool_names.includes(name);
}
