/** Starts the model on a prepared response, leaving out the oldest of what was said where that is allowed and needed. */

import { CapacityError } from '@steelyard/core';
import type { ChatOptions, GenerateEvent, LanguageModel } from '@steelyard/engine';
import type { ChatMessage } from '@steelyard/text';
import type { Call } from '../endpoint.ts';
import { renamed } from '../http/api-error.ts';
import { checkSampling } from '../schemas/sampling.ts';
import type { ResponseRequest } from '../schemas/response-request.ts';
import type { FinishEvent } from '../schemas/usage.ts';
import { startToolLoop, type LoopGeneration } from '../tool-loop/tool-loop.ts';
import type { PreparedResponse } from './prepare-response.ts';

export const RESPONSES_PATH = '/v1/responses';
/** Share of the context that an answer gets where the prompt is shortened for it, at most. */
const ANSWER_SHARE = 0.25;

/** The engine's names of parameters as responses have them. */
export const ENGINE_NAMES = {
  messages: 'input',
  reasoning_effort: 'reasoning.effort',
  constraint: 'text.format',
};

/**
 * @param onFinish hears of each time that the model has spoken, to its end or not
 * @throws as `startToolLoop`
 */
export async function startResponse(
  call: Call<ResponseRequest>,
  { messages, ask, client, sources, choice, response }: PreparedResponse,
  onFinish?: (finish: FinishEvent) => void,
): Promise<LoopGeneration> {
  const { model, parallel_tool_calls: parallel, max_tool_calls: maxCalls } = call.body;
  const started = startToolLoop(call, {
    ...{ model, endpoint: RESPONSES_PATH, promptParam: 'input' },
    ...{ messages, ask, client, sources, choice, parallel, maxCalls },
    ...(onFinish ? { onFinish } : {}),
    start(loaded, said, options) {
      checkSampling(ask.sampling, loaded.info.vocabSize);
      return response.truncation === 'auto' ? shortened(loaded, said, options) : loaded.chat(said, options);
    },
  });
  return started.catch((error: unknown) => {
    throw renamed(error, ENGINE_NAMES);
  });
}

/** The answer to as many of the last messages as the context holds. */
async function* shortened(
  model: LanguageModel,
  messages: readonly ChatMessage[],
  options: ChatOptions,
): AsyncGenerator<GenerateEvent> {
  for (let rest: readonly ChatMessage[] | undefined = messages; ;) {
    const events = model.chat(rest, options)[Symbol.asyncIterator]();
    let next: IteratorResult<GenerateEvent>;
    try {
      next = await events.next();
    } catch (error) {
      rest = error instanceof CapacityError ? withoutOldest(model, rest, options) : undefined;
      if (!rest) throw error;
      continue;
    }
    try {
      for (; !next.done; next = await events.next()) yield next.value;
      return;
    } finally {
      void events.return?.();
    }
  }
}

/**
 * Leaves out at least one of the user's turns and what followed it, and more while the rest looks too long by the
 * messages' own tokens; what the template adds is not counted, so a next attempt may leave out more.
 * @returns undefined when only the last turn is left
 */
function withoutOldest(
  model: LanguageModel,
  messages: readonly ChatMessage[],
  options: ChatOptions,
): readonly ChatMessage[] | undefined {
  const { contextLength } = model.info;
  const answer = Math.floor(Math.min(options.maxTokens ?? Infinity, contextLength * ANSWER_SHARE));
  const sizes = messages.map((message) => model.tokenize(JSON.stringify(message)).length);
  const starts = messages.flatMap(({ role }, i) => (role === 'user' ? [i] : []));
  const system = messages.filter(({ role }, i) => role === 'system' && i < (starts[0] ?? 0));
  const own = sizes.slice(0, system.length).reduce((sum, size) => sum + size, 0);
  const from = starts
    .slice(1)
    .find((start, i, rest) => i === rest.length - 1 || own + total(sizes, start) <= contextLength - answer);
  return from === undefined ? undefined : [...system, ...messages.slice(from)];
}

function total(sizes: readonly number[], from: number): number {
  return sizes.slice(from).reduce((sum, size) => sum + size, 0);
}
