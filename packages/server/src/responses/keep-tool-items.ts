/** Items of tools of the server that come back in a request, in the form in which they are kept. */

import type { ApprovalResponse, ToolInputItem, ToolItem } from '../schemas/tool-items.ts';
import { newItemId } from './item-ids.ts';

export function keepToolItem(item: ToolInputItem): ToolItem | ApprovalResponse {
  switch (item.type) {
    case 'file_search_call':
      return { ...item, results: item.results?.map(keepResult) ?? null };
    case 'mcp_list_tools':
      return {
        ...item,
        tools: item.tools.map((tool) => ({
          ...tool,
          description: tool.description ?? null,
          annotations: tool.annotations ?? null,
        })),
        error: item.error ?? null,
      };
    case 'mcp_call':
      return {
        ...item,
        status: item.status ?? (item.error ? 'failed' : 'completed'),
        output: item.output ?? null,
        error: item.error ?? null,
        approval_request_id: item.approval_request_id ?? null,
      };
    case 'mcp_approval_request':
      return item;
    case 'mcp_approval_response':
      return { ...item, id: item.id ?? newItemId(item.type), reason: item.reason ?? null };
  }
}

type Result = NonNullable<Extract<ToolInputItem, { type: 'file_search_call' }>['results']>[number];

function keepResult({ file_id, filename, score, attributes, text }: Result) {
  return {
    file_id: file_id ?? '',
    filename: filename ?? '',
    score: score ?? 0,
    attributes: attributes ?? {},
    text: text ?? '',
  };
}
