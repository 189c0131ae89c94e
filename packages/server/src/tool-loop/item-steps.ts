/** Items of tools that are whole, told once more as they came. */

import type { ToolItem } from '../schemas/tool-items.ts';
import type { ItemStep } from './server-tool.ts';

export function stepsOf(item: ToolItem): readonly ItemStep[] {
  switch (item.type) {
    case 'file_search_call':
      return [
        { added: { ...item, status: 'in_progress', queries: [], results: null } },
        { event: { type: 'response.file_search_call.in_progress' } },
        { event: { type: 'response.file_search_call.searching' } },
        ...(item.status === 'completed'
          ? [{ event: { type: 'response.file_search_call.completed' } } as const]
          : []),
        { done: item },
      ];
    case 'mcp_list_tools':
      return [
        { added: { ...item, tools: [], error: null } },
        { event: { type: 'response.mcp_list_tools.in_progress' } },
        { event: { type: `response.mcp_list_tools.${item.error === null ? 'completed' : 'failed'}` } },
        { done: item },
      ];
    case 'mcp_call':
      return [
        { added: { ...item, status: 'in_progress', arguments: '', output: null, error: null } },
        { event: { type: 'response.mcp_call.in_progress' } },
        { event: { type: 'response.mcp_call_arguments.delta', delta: item.arguments } },
        { event: { type: 'response.mcp_call_arguments.done', arguments: item.arguments } },
        ...(item.status === 'completed' || item.status === 'failed'
          ? [{ event: { type: `response.mcp_call.${item.status}` } } as const]
          : []),
        { done: item },
      ];
    case 'mcp_approval_request':
      return [{ added: item }, { done: item }];
  }
}
