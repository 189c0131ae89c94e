/** Ids of what the Responses API keeps, by kind. */

import { randomUUID } from 'node:crypto';
import type { KeptItem } from '../schemas/response-items.ts';

const PREFIXES = {
  message: 'msg',
  function_call: 'fc',
  function_call_output: 'fco',
  reasoning: 'rs',
  file_search_call: 'fs',
  mcp_list_tools: 'mcpl',
  mcp_call: 'mcp',
  mcp_approval_request: 'mcpr',
  mcp_approval_response: 'mcpa',
} as const;

/** @param prefix `resp`, `conv` */
export function newId(prefix: string): string {
  return `${prefix}_${randomUUID().replaceAll('-', '')}`;
}

export function newItemId(type: KeptItem['type']): string {
  return newId(PREFIXES[type]);
}
