/** Everything that can be said of a response before its model runs: what it goes on from, and what the engine is asked. */

import type { Constraint } from '@steelyard/engine';
import type { ProjectStorage } from '@steelyard/storage';
import type { ChatMessage } from '@steelyard/text';
import type { Call } from '../endpoint.ts';
import { findNamed } from '../model-provider.ts';
import { plainConstraint, schemaConstraint } from '../schemas/response-format.ts';
import type { ResponseObject } from '../schemas/response-object.ts';
import type { ResponseRequest } from '../schemas/response-request.ts';
import { withVerbosity } from '../verbosity.ts';
import { gatherContext, type ResponseContext } from './context.ts';
import type { LoopPlan } from '../tool-loop/tool-loop.ts';
import { itemsToMessages } from './items-to-messages.ts';
import { newResponse } from './new-response.ts';
import { responseTools } from './response-tools.ts';
import { sealOf, type Seal } from './sealed-reasoning.ts';
import { refuseUnsupportedResponse } from './unsupported-response.ts';

export interface PreparedResponse extends Pick<LoopPlan, 'client' | 'sources' | 'choice'> {
  readonly response: ResponseObject;
  readonly context: ResponseContext;
  readonly messages: readonly ChatMessage[];
  readonly ask: LoopPlan['ask'];
  /** Of the copy by which thoughts can be given back, where that is asked for. */
  readonly seal: Seal['seal'] | undefined;
  /** Where it is kept; absent when it is not. */
  readonly storage?: ProjectStorage;
  /** The upstream that computes it. */
  readonly upstream?: string;
}

/** @throws ApiError for what is refused or not there */
export async function prepareResponse(call: Call<ResponseRequest>): Promise<PreparedResponse> {
  const { body, services } = call;
  refuseUnsupportedResponse(body);
  const ask = askOf(body);
  const model = await modelName(call);
  // What is stored by default is not where nothing is kept; what is asked for is refused there.
  const stored = (body.store ?? services.keeps) || body.background === true;
  const reads = services.keeps || Boolean(body.previous_response_id ?? body.conversation);
  const storage = stored || reads ? await call.storage() : undefined;
  const context = await gatherContext(call, storage);
  const tools = await responseTools(call, context);
  const facts = { model, stored, context };
  return {
    ...tools,
    response: newResponse(call, facts),
    context,
    messages: messagesOf(body, context),
    ask,
    seal: body.include?.includes('reasoning.encrypted_content') ? sealOf(call).seal : undefined,
    ...(stored && storage ? { storage } : {}),
    ...(call.upstream === undefined ? {} : { upstream: call.upstream }),
  };
}

function messagesOf(
  { instructions, text }: Pick<ResponseRequest, 'instructions' | 'text'>,
  { history, input }: ResponseContext,
): readonly ChatMessage[] {
  return withVerbosity(itemsToMessages([...history, ...input], instructions), text?.verbosity);
}

async function modelName({ body, services }: Call<ResponseRequest>): Promise<string> {
  const listed = findNamed(await services.models.list(), body.model, ({ name }) => name);
  return (listed ?? (await services.models.get(body.model)).info).name;
}

function askOf(body: ResponseRequest): LoopPlan['ask'] {
  const wantsLogprobs =
    body.include?.includes('message.output_text.logprobs') || (body.top_logprobs ?? 0) > 0;
  return {
    sampling: body,
    choice: 0,
    maxTokens: body.max_output_tokens,
    logprobs: wantsLogprobs ? (body.top_logprobs ?? 0) : undefined,
    reasoningEffort: body.reasoning?.effort,
    templateVariables: body.chat_template_kwargs,
    constraint: toConstraint(body),
  };
}

function toConstraint({ text }: ResponseRequest): Constraint | undefined {
  const format = text?.format;
  if (format?.type !== 'json_schema') return plainConstraint(format, 'text.format');
  return schemaConstraint(format, 'text.format', 'text.format.schema');
}
