/** A response as it is when nothing has been computed of it, with what was asked and what is done by default. */

import type { Call } from '../endpoint.ts';
import type { ResponseObject } from '../schemas/response-object.ts';
import type { FunctionTool, ResponseRequest, TextFormat } from '../schemas/response-request.ts';
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
    text: { format: toFormat(body.text?.format), verbosity: 'medium' },
    tool_choice: toChoice(body.tool_choice),
    tools: functionTools(body).map((tool) => toTool(tool, body)),
    top_logprobs: body.top_logprobs ?? 0,
    top_p: body.top_p ?? 1,
    truncation: body.truncation ?? 'disabled',
    ...(body.user ? { user: body.user } : {}),
  };
}

/** Other tools have been refused. */
export function functionTools({ tools }: ResponseRequest): FunctionTool[] {
  return (tools ?? []).filter((tool): tool is FunctionTool => tool.type === 'function');
}

function toTool(
  tool: FunctionTool,
  { tool_choice: choice }: ResponseRequest,
): ResponseObject['tools'][number] {
  const forced =
    typeof choice === 'object' && choice !== null
      ? choice.type === 'function' || choice.mode === 'required'
      : choice === 'required';
  return {
    type: 'function',
    name: tool.name,
    description: tool.description ?? null,
    parameters: tool.parameters ?? null,
    strict: forced || tool.strict === true,
  };
}

/** Other choices have been refused. */
function toChoice(choice: ResponseRequest['tool_choice']): ResponseObject['tool_choice'] {
  if (choice === null || choice === undefined) return 'auto';
  return choice as ResponseObject['tool_choice'];
}

function toFormat(format: TextFormat | null | undefined): ResponseObject['text']['format'] {
  if (format?.type !== 'json_schema') return format ?? { type: 'text' };
  const { type, name, description, schema } = format;
  // Held to, whether asked so or not.
  return { type, name, ...(description ? { description } : {}), schema, strict: true };
}
