/** Tools whose arguments shall be held to their schema: done where the answer must be a call, refused where it may be. */

import { unsupported } from './http/api-error.ts';

/**
 * @param settled a call is required, and so held to its schema, or forbidden
 * @throws ApiError 400
 */
export function refuseStrictTools(
  tools: readonly object[] | null | undefined,
  settled: boolean,
  param: string,
): void {
  if (settled || !tools?.some((tool) => 'strict' in tool && tool.strict === true)) return;
  throw unsupported(
    param,
    'Holding arguments of tools to their schema (strict)',
    "Send 'strict': false and check them yourself, or require a call ('tool_choice').",
  );
}
