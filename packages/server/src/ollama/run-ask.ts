/** Runs an answer of `/api/chat` or `/api/generate`, streaming unless told otherwise. */

import type { GenerateEvent, LanguageModel } from '@steelyard/engine';
import { acquireModel } from '../model-provider.ts';
import type { Call } from '../endpoint.ts';
import { startGeneration, streamGeneration, type Generation } from '../generation.ts';
import { withReceipts } from '../receipts/give-receipt.ts';
import { toOllamaEnd, toOllamaLogprobs, type OllamaCall, type OllamaHead } from '../schemas/ollama-answer.ts';
import type { OllamaAsk } from '../schemas/ollama-request.ts';
import { newCallId } from '../chat-options.ts';
import { keepAliveOf, maxTokensOf, modelNameOf } from './ask.ts';
import { ollamaLines } from './lines.ts';

/** What an answer consists of, whichever endpoint shapes it. */
export interface Said {
  readonly text: string;
  readonly thinking: string;
  readonly calls: readonly OllamaCall[];
}

export interface AskPlan {
  readonly endpoint: string;
  readonly start: (model: LanguageModel, signal: AbortSignal) => AsyncIterable<GenerateEvent>;
  /** The endpoint's object. */
  readonly shape: (head: OllamaHead, said: Said) => object;
}

const NOTHING: Said = { text: '', thinking: '', calls: [] };

export async function runAsk(call: Call<OllamaAsk>, plan: AskPlan): Promise<Response> {
  const { body } = call;
  const asked = performance.now();
  const keepAliveMs = keepAliveOf(body);
  const generation = await startGeneration(call, {
    model: modelNameOf(body),
    endpoint: plan.endpoint,
    promptParam: 'messages',
    maxTokens: maxTokensOf(body),
    ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
    start: (model, signal) => [plan.start(model, signal)],
  });
  const objects = answer(generation, plan, asked);
  if (body.stream ?? true) return streamGeneration(call, generation, objects, ollamaLines);
  return Response.json(await whole(generation, plan, asked));
}

/** No prompt: the model is only loaded, or given up. */
export async function loadOnly(call: Call<OllamaAsk>, shape: AskPlan['shape']): Promise<Response> {
  const { body, services, signal } = call;
  const keepAliveMs = keepAliveOf(body);
  const { model, release } = await acquireModel(services.models, modelNameOf(body), {
    signal,
    ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
  });
  release();
  const done_reason = keepAliveMs === 0 ? 'unload' : 'load';
  return Response.json(shape({ ...headOf(model.info.name), done: true, done_reason }, NOTHING));
}

async function* answer({ model, events }: Generation, plan: AskPlan, asked: number): AsyncGenerator<object> {
  let calls = 0;
  for await (const { event, receipts } of events) {
    const head = headOf(model.info.name);
    if (event.type === 'finish') {
      const end = { ...toOllamaEnd(event, performance.now() - asked), ...withReceipts(receipts) };
      yield plan.shape({ ...head, ...end }, NOTHING);
    }
    if (event.type === 'reasoning') yield plan.shape(head, { ...NOTHING, thinking: event.text });
    if (event.type === 'toolCall') yield plan.shape(head, { ...NOTHING, calls: [toCall(event, calls++)] });
    if (event.type !== 'text' || (event.text === '' && !event.logprobs?.length)) continue;
    const logprobs = toOllamaLogprobs(event.logprobs);
    yield plan.shape({ ...head, ...(logprobs ? { logprobs } : {}) }, { ...NOTHING, text: event.text });
  }
}

async function whole({ model, events }: Generation, plan: AskPlan, asked: number): Promise<object> {
  let [text, thinking] = ['', ''];
  const calls: OllamaCall[] = [];
  const logprobs: NonNullable<OllamaHead['logprobs']> = [];
  let end: Partial<OllamaHead> = {};
  for await (const { event, receipts } of events) {
    if (event.type === 'reasoning') thinking += event.text;
    if (event.type === 'toolCall') calls.push(toCall(event, calls.length));
    if (event.type === 'finish')
      end = { ...toOllamaEnd(event, performance.now() - asked), ...withReceipts(receipts) };
    if (event.type !== 'text') continue;
    text += event.text;
    logprobs.push(...(toOllamaLogprobs(event.logprobs) ?? []));
  }
  const shown = logprobs.length > 0 ? { logprobs } : {};
  return plan.shape({ ...headOf(model.info.name), ...end, ...shown }, { text, thinking, calls });
}

function headOf(model: string): OllamaHead {
  return { model, created_at: new Date().toISOString(), done: false };
}

function toCall(call: Extract<GenerateEvent, { type: 'toolCall' }>, index: number): OllamaCall {
  const args = JSON.parse(call.arguments) as Record<string, unknown>;
  return { id: `call_${newCallId()}`, function: { index, name: call.name, arguments: args } };
}
