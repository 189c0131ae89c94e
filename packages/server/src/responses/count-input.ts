/**
 * Tokens of the prompt that a response begins with. Nothing is computed and no tool is called, so that what a search
 * that comes first would find is not counted.
 */

import type { LanguageModel } from '@steelyard/engine';
import { toChatOptions } from '../chat-options.ts';
import type { Call } from '../endpoint.ts';
import { renamed, unsupported } from '../http/api-error.ts';
import type { InputTokensRequest } from '../schemas/input-tokens.ts';
import type { LoopStart, ServerTool } from '../tool-loop/server-tool.ts';
import { Toolbox } from '../tool-loop/toolbox.ts';
import { prepareResponse, type PreparedResponse } from './prepare-response.ts';
import { ENGINE_NAMES } from './start-response.ts';

/** @throws ApiError for what a response would be refused for */
export async function countInput(call: Call<InputTokensRequest>): Promise<number> {
  const { personality, ...body } = call.body;
  if (typeof personality === 'string')
    throw unsupported('personality', 'A personality', "Remove it, or say it in 'instructions'.");
  const prepared = await prepareResponse({ ...call, body: { ...body, store: false } });
  const { messages, ask, client, sources, choice } = prepared;
  const model = await call.services.models.get(call.body.model);
  const tools = await toolsOf(prepared, model, call.signal);
  const offer = new Toolbox(client, tools, choice, sources.length > 0).offer(0);
  try {
    return model.countTokens(messages, toChatOptions({ ...ask, ...offer, signal: call.signal }));
  } catch (error) {
    throw renamed(error, ENGINE_NAMES);
  }
}

/** Those that run here. */
async function toolsOf(
  { sources, messages, ask }: PreparedResponse,
  model: LanguageModel,
  signal: AbortSignal,
): Promise<readonly ServerTool[]> {
  const { contextLength, callsTools = false } = model.info;
  const start: LoopStart = {
    ...{ messages, contextLength, signal },
    countTokens: (text) => model.tokenize(text).length,
    callsTools: callsTools && ask.constraint === undefined,
    nameOf: ({ name }) => name,
  };
  const tools: ServerTool[] = [];
  try {
    for (const source of sources) {
      const opened = source.open(start);
      if (!(Symbol.asyncIterator in opened)) tools.push(...opened);
      else {
        let step = await opened.next();
        while (!step.done) step = await opened.next();
        tools.push(...step.value);
      }
    }
    return tools;
  } finally {
    for (const source of sources) void source.close().catch(() => undefined);
  }
}
