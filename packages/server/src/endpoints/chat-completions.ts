/** `POST /v1/chat/completions`, whole or streaming. */

import type { GenerateEvent, LanguageModel, TokenLogprob } from '@steelyard/engine';
import { answerHead, type AnswerHead } from '../answer-head.ts';
import { mayCall, newCallId } from '../chat-options.ts';
import { customNames, withCustomCallPieces, withCustomCalls, withoutCustomTools } from '../custom-tools.ts';
import { defineEndpoint, type Call } from '../endpoint.ts';
import { streamGeneration, type ChoiceEvent, type Generation } from '../generation.ts';
import { ApiError } from '../http/api-error.ts';
import {
  asksForFunctions,
  withFunctionCall,
  withFunctionCallPieces,
  withTools,
  type ToolRequest,
} from '../legacy-functions.ts';
import { chatRequestSchema, type ChatRequest } from '../schemas/chat-request.ts';
import {
  toChatLogprobs,
  type ToolCallBody,
  type ChatChunk,
  type ChatResponse,
} from '../schemas/chat-response.ts';
import { wireChunkSchema, wireResponseSchema } from '../schemas/custom-calls.ts';
import { withReceipts } from '../receipts/give-receipt.ts';
import { paddedChunks } from '../obfuscation.ts';
import type { AnyReceipt } from '../receipts/any-receipt.ts';
import { toTimings, toUsage, type FinishEvent } from '../schemas/usage.ts';
import { keepChat, keepChunks } from '../stored-chat/keep-chat.ts';
import { CHAT_PATH, startChat } from '../start-chat.ts';
import { StreamedCalls } from '../streamed-calls.ts';
import { refuseUnsupportedChat } from '../unsupported-chat.ts';

export const chatCompletions = defineEndpoint({
  method: 'POST',
  path: CHAT_PATH,
  summary: "The assistant's next message.",
  routable: true,
  request: chatRequestSchema,
  response: wireResponseSchema,
  streamEvent: wireChunkSchema,
  async handle(given: Call<ChatRequest>) {
    refuseUnsupportedChat(given.body);
    const custom = customNames(given.body);
    const body = withTools(withoutCustomTools(given.body));
    const older = asksForFunctions(given.body);
    const call = { ...given, body };
    const kept = body.store === true;
    // Refused before anything is computed where nothing is kept.
    if (kept) await call.storage();
    checkLogprobs(body);
    const generation = await startChat(call);
    const head = headFor(call, generation.model);
    if (body.stream) {
      const written = chunks(
        kept ? { ...body, stream_options: { include_usage: true } } : body,
        head,
        generation,
      );
      const told = kept ? keepChunks(call, written) : written;
      const shown = older ? withFunctionCallPieces(told) : withCustomCallPieces(custom, told);
      const pads = body.stream_options?.include_obfuscation === true;
      return streamGeneration(call, generation, pads ? paddedChunks(shown) : shown);
    }
    const answer = await collect(body, head, generation);
    if (kept) await keepChat(call, answer);
    return Response.json(older ? withFunctionCall(answer) : withCustomCalls(custom, answer));
  },
});

interface ChatHead extends AnswerHead {
  readonly service_tier?: 'default';
}

function headFor({ body, services }: Call<ToolRequest>, model: LanguageModel): ChatHead {
  const head = answerHead('chatcmpl', model.info, services.version);
  return { ...head, ...(body.service_tier ? { service_tier: 'default' } : {}) };
}

function checkLogprobs(body: ChatRequest): void {
  if (typeof body.top_logprobs === 'number' && !body.logprobs) {
    throw new ApiError(
      400,
      "'top_logprobs' is only allowed when 'logprobs' is true. Set it, or remove this.",
      {
        param: 'top_logprobs',
        code: 'invalid_value',
      },
    );
  }
  const { max_tokens: old, max_completion_tokens: current } = body;
  if (typeof old === 'number' && typeof current === 'number' && old !== current) {
    throw new ApiError(
      400,
      `'max_tokens' (${old}) and 'max_completion_tokens' (${current}) say the same thing differently. Send one.`,
      { param: 'max_tokens', code: 'invalid_value' },
    );
  }
}

interface ChoiceSoFar {
  text: string;
  reasoning: string;
  readonly calls: ToolCallBody[];
  readonly logprobs: TokenLogprob[];
  finish?: FinishEvent;
  receipts?: readonly AnyReceipt[];
}

async function collect(body: ChatRequest, head: ChatHead, generation: Generation): Promise<ChatResponse> {
  const n = body.n ?? 1;
  const choices = Array.from({ length: n }, (): ChoiceSoFar => ({
    text: '',
    reasoning: '',
    calls: [],
    logprobs: [],
  }));
  for await (const { index, event, receipts } of generation.events) {
    const choice = choices[index]!;
    if (event.type === 'finish') choice.finish = event;
    if (receipts) choice.receipts = receipts;
    if (event.type === 'reasoning') choice.reasoning += event.text;
    if (event.type === 'toolCall' && mayCall(body.parallel_tool_calls, choice.calls.length))
      choice.calls.push(toToolCall(event));
    if (event.type !== 'text') continue;
    choice.text += event.text;
    choice.logprobs.push(...(event.logprobs ?? []));
  }
  const finishes = choices.flatMap((choice) => choice.finish ?? []);
  return {
    ...head,
    object: 'chat.completion',
    choices: choices.map((choice, index) => ({
      index,
      message: toMessage(choice),
      logprobs: toChatLogprobs(body.logprobs ? choice.logprobs : undefined),
      finish_reason: toFinishReason(choice.finish, choice.calls.length),
    })),
    usage: toUsage(finishes, n),
    ...toTimings(finishes),
    ...withReceipts(choices.flatMap(({ receipts = [] }) => receipts)),
  };
}

function toMessage({ text, reasoning, calls }: ChoiceSoFar): ChatResponse['choices'][number]['message'] {
  return {
    role: 'assistant',
    content: text === '' && calls.length > 0 ? null : text,
    refusal: null,
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  };
}

function toToolCall(call: Extract<GenerateEvent, { type: 'toolCall' }>): ToolCallBody {
  return { id: newCallId(), type: 'function', function: { name: call.name, arguments: call.arguments } };
}

function toFinishReason(finish: FinishEvent | undefined, calls: number): 'stop' | 'length' | 'tool_calls' {
  if (finish?.reason === 'length') return 'length';
  return calls > 0 ? 'tool_calls' : 'stop';
}

/** Each choice opens with its role and ends with its reason; usage, if asked for, comes last and alone. */
async function* chunks(body: ChatRequest, head: ChatHead, generation: Generation): AsyncGenerator<ChatChunk> {
  const withUsage = body.stream_options?.include_usage === true;
  const chunk = (choices: ChatChunk['choices']): ChatChunk => ({
    ...head,
    object: 'chat.completion.chunk',
    choices,
    ...(withUsage ? { usage: null } : {}),
  });
  const opened = new Map<number, StreamedCalls>();
  const finishes: FinishEvent[] = [];
  for await (const choice of generation.events) {
    const { index, event } = choice;
    const calls = opened.get(index) ?? new StreamedCalls(body.parallel_tool_calls);
    if (!opened.has(index)) {
      opened.set(index, calls);
      const delta = { role: 'assistant' as const, content: '', refusal: null };
      yield chunk([{ index, delta, logprobs: null, finish_reason: null }]);
    }
    if (event.type === 'finish') finishes[index] = event;
    const delta = toDelta(body, choice, calls);
    if (delta) yield { ...chunk([delta]), ...withReceipts(choice.receipts) };
  }
  if (withUsage) {
    const usage = toUsage(finishes, body.n ?? 1);
    yield { ...chunk([]), usage, ...toTimings(finishes) };
  }
}

type Delta = ChatChunk['choices'][number];

function toDelta(body: ChatRequest, { index, event }: ChoiceEvent, calls: StreamedCalls): Delta | undefined {
  if (event.type === 'finish') {
    const finish_reason = toFinishReason(event, calls.count);
    return { index, delta: {}, logprobs: null, finish_reason };
  }
  const without = { logprobs: null, finish_reason: null };
  if (event.type === 'reasoning') return { index, delta: { reasoning_content: event.text }, ...without };
  if (event.type === 'toolCall' || event.type === 'toolCallDelta') {
    const piece = calls.take(event);
    return piece && { index, delta: { tool_calls: [piece] }, ...without };
  }
  if (event.type !== 'text' || (event.text === '' && !event.logprobs?.length)) return undefined;
  const logprobs = toChatLogprobs(body.logprobs ? (event.logprobs ?? []) : undefined);
  return { index, delta: { content: event.text }, logprobs, finish_reason: null };
}
