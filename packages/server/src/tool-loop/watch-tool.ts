/** What is measured of a call of a tool that the server runs: a span and a count. Nothing of what was said. */

import type { Call } from '../endpoint.ts';
import { UNTRACED } from '../telemetry/tracing.ts';

export interface WatchedTool {
  readonly name: string;
  /** `file_search`, or the label of its server. */
  readonly source: string;
}

/** @returns what to call once when it has ended */
export function watchTool(
  call: Call<unknown>,
  { name, source }: WatchedTool,
): (outcome: 'completed' | 'failed') => void {
  const span = (call.trace ?? UNTRACED).child(`execute_tool ${name}`, {
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': name,
    'gen_ai.tool.type': source === name ? 'datastore' : 'extension',
    'steelyard.tool.source': source,
  });
  return (outcome) => {
    span.end(outcome === 'failed' ? { failure: 'tool_failed' } : {});
    call.services.metrics.observeTool(source, outcome);
  };
}
