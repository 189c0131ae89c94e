/**
 * Keeps answers of upstreams as those that are computed here: under ids of this server, for nothing says that theirs are
 * given once. Nothing is kept at the upstream.
 */

import type { Call } from '../endpoint.ts';
import { newAnswerId } from '../answer-head.ts';
import { ApiError, toApiError } from '../http/api-error.ts';
import { withTools } from '../legacy-functions.ts';
import { gatherContext } from '../responses/context.ts';
import { newId, newItemId } from '../responses/item-ids.ts';
import { toStored } from '../responses/stored-responses.ts';
import type { ChatRequest } from '../schemas/chat-request.ts';
import type { ChatChunk, ChatResponse } from '../schemas/chat-response.ts';
import type { ResponseObject } from '../schemas/response-object.ts';
import type { ResponseRequest } from '../schemas/response-request.ts';
import type { UsageBody } from '../schemas/usage.ts';
import { ChunkCollector } from '../stored-chat/chunk-collector.ts';
import { keepChat } from '../stored-chat/keep-chat.ts';
import { CHAT_PATH } from '../start-chat.ts';
import { RESPONSES_PATH } from '../responses/start-response.ts';
import type { Amendment, Json, UpstreamUsage } from './read-along.ts';
import { isObject } from './sse-events.ts';

type Keeping = Pick<Amendment, 'each' | 'keep'>;

/**
 * @param path of the endpoint
 * @param upstream its name
 * @throws ApiError where the answer is to be kept and cannot be
 */
export async function keeping(call: Call<unknown>, path: string, upstream: string): Promise<Keeping> {
  const { each, keep } = await keepingOf(call, path, upstream);
  return {
    ...(each ? { each } : {}),
    ...(keep ? { keep: (...told) => keep(...told).catch(fail(call)) } : {}),
  };
}

/** The upstream has done its part: what fails then is this server's. */
function fail({ services, requestId }: Call<unknown>): (error: unknown) => never {
  return (error) => {
    services.reportError(error, requestId);
    throw toApiError(error);
  };
}

async function keepingOf(call: Call<unknown>, path: string, upstream: string): Promise<Keeping> {
  if (path === CHAT_PATH) return keepingChat(call as Call<ChatRequest>);
  return path === RESPONSES_PATH ? keepingResponse(call as Call<ResponseRequest>, upstream) : {};
}

async function keepingChat(call: Call<ChatRequest>): Promise<Keeping> {
  const { body } = call;
  if (body.store !== true) return {};
  await call.storage();
  const id = newAnswerId('chatcmpl');
  const collector = new ChunkCollector();
  let isWellFormed = true;
  const wantsUsage = body.stream_options?.include_usage === true;
  return {
    each(told) {
      if (!Array.isArray(told['choices'])) return told;
      const own = { ...told, id };
      if (told['object'] !== 'chat.completion.chunk') return own;
      try {
        collector.add(own as unknown as ChatChunk);
      } catch {
        // Its reader may make something of it; there is nothing to keep.
        isWellFormed = false;
      }
      if (wantsUsage) return own;
      const { usage: _, ...rest } = own as Json;
      return told['choices'].length > 0 ? rest : undefined;
    },
    async keep(whole, { usage }, steelyard) {
      const streamed = body.stream ? collector.withUsage(toUsage(usage)) : undefined;
      const answer = streamed ?? (whole as unknown as ChatResponse | undefined);
      if (!isWellFormed || !Array.isArray(answer?.choices)) return;
      const told = { ...answer, ...(steelyard ? { steelyard } : {}) } as ChatResponse;
      await keepChat({ ...call, body: withTools(body) }, told);
    },
  };
}

function toUsage({ inputTokens, cachedTokens, outputTokens }: UpstreamUsage): UsageBody {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
    completion_tokens_details: {
      reasoning_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

async function keepingResponse(call: Call<ResponseRequest>, upstream: string): Promise<Keeping> {
  const { body, services } = call;
  const input = (body.store ?? services.keeps) ? await keptInput(call) : undefined;
  if (!input) return { each: (told) => withResponse(told, (response) => unkept(response)) };
  const storage = await call.storage();
  const own = { id: newId('resp'), store: true, metadata: body.metadata ?? {} };
  return {
    each: (told) => withResponse(told, (response) => ({ ...response, ...own, output: outputOf(response) })),
    async keep(whole) {
      if (whole?.['id'] !== own.id) return;
      const { error = null, status = 'completed', ...response } = whole as unknown as ResponseObject;
      await storage.responses.create({ ...toStored({ ...response, status, error }, upstream), input });
    },
  };
}

/**
 * @returns nothing where the answer need not be kept and this server has no form for what was asked
 * @throws ApiError 400 where it is to be kept
 */
async function keptInput(call: Call<ResponseRequest>) {
  try {
    return (await gatherContext(call, await call.storage())).input;
  } catch (error) {
    if (!(error instanceof ApiError) || error.status >= 500) throw error;
    if (call.body.store !== true) return undefined;
    throw new ApiError(
      400,
      `An answer to this input cannot be kept here: ${error.message} Or send 'store' as false: the upstream is asked, and nothing kept.`,
      { param: error.param ?? 'store', code: error.code ?? 'unsupported_value', cause: error },
    );
  }
}

/** A whole answer is a response; events may hold one. */
function withResponse(told: Json, change: (response: Json) => Json): Json {
  const { response } = told;
  if (isObject(response)) {
    const changed = change(response);
    return changed === response ? told : { ...told, response: changed };
  }
  return told['object'] === 'response' ? change(told) : told;
}

function unkept(response: Json): Json {
  return response['store'] === false ? response : { ...response, store: false };
}

/** Items are kept by their ids. */
function outputOf({ output }: Json): Json[] {
  const items = Array.isArray(output) ? output.filter(isObject) : [];
  return items.map((item) => (typeof item['id'] === 'string' ? item : { ...item, id: newItemId('message') }));
}
