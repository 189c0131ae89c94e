/** Starts the answers of a chat completion: side by side, or one in rounds where it may call tools of MCP servers. */

import type { GenerateEvent, LanguageModel } from '@steelyard/engine';
import type { ChatMessage } from '@steelyard/text';
import { toChatMessages } from './chat-messages.ts';
import { toChatOptions, type ChatAsk } from './chat-options.ts';
import { toLoopChoice, toolsAndChoice } from './chat-tool-choice.ts';
import type { Call } from './endpoint.ts';
import { startGeneration, type ChoiceEvent, type Generation } from './generation.ts';
import { ApiError, renamed } from './http/api-error.ts';
import type { ToolRequest } from './legacy-functions.ts';
import { toConstraint } from './schemas/response-format.ts';
import { checkSampling } from './schemas/sampling.ts';
import { mcpTools } from './tool-loop/mcp-tools.ts';
import type { LoopEvent } from './tool-loop/server-tool.ts';
import { startToolLoop, type LoopPlan } from './tool-loop/tool-loop.ts';
import { withVerbosity } from './verbosity.ts';

export const CHAT_PATH = '/v1/chat/completions';

/** @throws as `startGeneration` and `startToolLoop`; ApiError 400 for tools that cannot be had */
export async function startChat(call: Call<ToolRequest>): Promise<Generation> {
  const started = call.body.tools?.some(({ type }) => type === 'mcp') ? inRounds(call) : sideBySide(call);
  return started.catch((error: unknown) => {
    throw renamed(error, { constraint: 'response_format' });
  });
}

function sideBySide(call: Call<ToolRequest>): Promise<Generation> {
  const { body } = call;
  const ask = { ...askOf(body), ...toolsAndChoice(body) };
  const messages = messagesOf(body);
  const n = body.n ?? 1;
  return startGeneration(call, {
    model: body.model,
    endpoint: CHAT_PATH,
    promptParam: 'messages',
    sequences: n,
    maxTokens: ask.maxTokens,
    choicesPerPrompt: n,
    start: (model, signal) => {
      checkSampling(body, model.info.vocabSize);
      return Array.from({ length: n }, (_, i) =>
        model.chat(messages, toChatOptions({ ...ask, choice: i, signal })),
      );
    },
  });
}

async function inRounds(call: Call<ToolRequest>): Promise<Generation> {
  const { body } = call;
  if ((body.n ?? 1) > 1)
    throw new ApiError(
      400,
      "An answer that calls tools of MCP servers is one: send 'n' as 1, or leave it out.",
      {
        param: 'n',
        code: 'invalid_value',
      },
    );
  const { model, abort, events } = await startToolLoop(call, {
    ...{ model: body.model, endpoint: CHAT_PATH, promptParam: 'messages' },
    messages: messagesOf(body),
    ask: { ...askOf(body), choice: 0 },
    ...toolsOf(call),
    parallel: body.parallel_tool_calls,
    maxCalls: undefined,
    start(loaded: LanguageModel, said, options) {
      checkSampling(body, loaded.info.vocabSize);
      return loaded.chat(said, options);
    },
  });
  return { model, abort, events: asChoice(events) };
}

function toolsOf(call: Call<ToolRequest>): Pick<LoopPlan, 'client' | 'sources' | 'choice'> {
  const tools = call.body.tools ?? [];
  const seen = new Set<string>();
  const sources = tools.flatMap((tool, i) => {
    if (tool.type !== 'mcp') return [];
    if (seen.has(tool.server_label))
      throw new ApiError(400, `There are two tools 'mcp ${tool.server_label}'. Send each once.`, {
        param: `tools[${i}].server_label`,
        code: 'invalid_value',
      });
    seen.add(tool.server_label);
    // There are no items here by which a caller could be asked: it gets the call, as of a function of its own.
    return [mcpTools(call, { tool, at: `tools[${i}]`, approved: [], handsOver: true })];
  });
  const client = tools.flatMap((tool) => (tool.type === 'function' ? [tool] : []));
  return { client, sources, choice: toLoopChoice(call.body.tool_choice, tools) };
}

function messagesOf({ messages, verbosity }: ToolRequest): readonly ChatMessage[] {
  return withVerbosity(toChatMessages(messages), verbosity);
}

function askOf(body: ToolRequest): Omit<ChatAsk, 'choice' | 'signal' | 'tools' | 'toolChoice'> {
  return {
    sampling: body,
    maxTokens: body.max_completion_tokens ?? body.max_tokens,
    logprobs: body.logprobs ? (body.top_logprobs ?? 0) : undefined,
    reasoningEffort: body.reasoning_effort,
    templateVariables: body.chat_template_kwargs,
    constraint: toConstraint(body.response_format),
    prediction: predictedText(body.prediction),
  };
}

function predictedText(prediction: ToolRequest['prediction']): string | undefined {
  if (!prediction) return undefined;
  const { content } = prediction;
  return typeof content === 'string' ? content : content.map(({ text }) => text).join('');
}

/** What tools do is not told in a chat; what the model says before and after is, as paragraphs. */
async function* asChoice(events: AsyncGenerator<LoopEvent>): AsyncGenerator<ChoiceEvent> {
  let spoke = false;
  let acted = false;
  for await (const { event, receipts } of events) {
    if (!isSaid(event)) {
      acted = spoke;
      continue;
    }
    let said = event;
    if (event.type === 'text' && event.text !== '') {
      if (acted) said = { ...event, text: `\n\n${event.text}` };
      spoke = true;
      acted = false;
    }
    yield { index: 0, event: said, ...(receipts ? { receipts } : {}) };
  }
}

function isSaid(event: LoopEvent['event']): event is GenerateEvent {
  return event.type !== 'item' && event.type !== 'annotation';
}
