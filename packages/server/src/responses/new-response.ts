/** A response as it is when nothing has been computed of it, with what was asked and what is done by default. */

import type { Call } from '../endpoint.ts';
import type { ResponseObject } from '../schemas/response-object.ts';
import { showFileSearch, showMcp } from '../schemas/server-tools.ts';
import type { ResponseRequest, TextFormat } from '../schemas/response-request.ts';
import type { ResponseContext } from './context.ts';
import { newId } from './item-ids.ts';

export interface ResponseFacts {
  /** Name of the model, as it calls itself. */
  readonly model: string;
  readonly stored: boolean;
  readonly context: ResponseContext;
}

export function newResponse({ body }: Call<ResponseRequest>, facts: ResponseFacts): ResponseObject {
  const { conversation } = facts.context;
  return {
    id: newId('resp'),
    object: 'response',
    created_at: Math.floor(Date.now() / 1000),
    completed_at: null,
    status: body.background ? 'queued' : 'in_progress',
    background: body.background ?? false,
    conversation: conversation ? { id: conversation.id } : null,
    error: null,
    incomplete_details: null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: body.max_tool_calls ?? null,
    metadata: body.metadata ?? {},
    model: facts.model,
    output: [],
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    prompt_cache_key: body.prompt_cache_key ?? null,
    reasoning: { effort: body.reasoning?.effort ?? null, summary: null },
    safety_identifier: body.safety_identifier ?? null,
    service_tier: 'default',
    store: facts.stored,
    temperature: body.temperature ?? 1,
    text: { format: toFormat(body.text?.format), verbosity: body.text?.verbosity ?? 'medium' },
    tool_choice: toChoice(body.tool_choice),
    tools: (body.tools ?? []).flatMap((tool) => toTool(tool, body)),
    top_logprobs: body.top_logprobs ?? 0,
    top_p: body.top_p ?? 1,
    truncation: body.truncation ?? 'disabled',
    ...(body.user ? { user: body.user } : {}),
  };
}

/** Other kinds have been refused. */
function toTool(
  tool: NonNullable<ResponseRequest['tools']>[number],
  { tool_choice: choice }: ResponseRequest,
): ResponseObject['tools'] {
  if (tool.type === 'file_search') return [showFileSearch(tool)];
  if (tool.type === 'mcp') return [showMcp(tool)];
  if (tool.type !== 'function') return [];
  const forced =
    typeof choice === 'object' && choice !== null
      ? choice.type === 'function' || (choice.type === 'allowed_tools' && choice.mode === 'required')
      : choice === 'required';
  const shown = {
    type: tool.type,
    name: tool.name,
    description: tool.description ?? null,
    parameters: tool.parameters ?? null,
    strict: forced || tool.strict === true,
  };
  return [shown];
}

/** Other choices have been refused. */
function toChoice(choice: ResponseRequest['tool_choice']): ResponseObject['tool_choice'] {
  if (choice === null || choice === undefined) return 'auto';
  // Names that are null are none.
  return JSON.parse(
    JSON.stringify(choice, (_, value: unknown) => value ?? undefined),
  ) as ResponseObject['tool_choice'];
}

function toFormat(format: TextFormat | null | undefined): ResponseObject['text']['format'] {
  if (format?.type !== 'json_schema') return format ?? { type: 'text' };
  const { type, name, description, schema } = format;
  // Held to, whether asked so or not.
  return { type, name, ...(description ? { description } : {}), schema, strict: true };
}
