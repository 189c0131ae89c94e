/** What the engine would be asked, as a chat completion of an upstream: for endpoints whose form upstreams do not have. */

import type { ChatOptions, Constraint } from '@steelyard/engine';
import type { ChatMessage } from '@steelyard/text';
import { ApiError } from '../http/api-error.ts';

type Body = Readonly<Record<string, unknown>>;

/** Tokens of thoughts up to which an effort is meant, by the words of chat completions; the last has no end. */
const EFFORTS: readonly (readonly [number, string])[] = [
  [2048, 'low'],
  [8192, 'medium'],
  [Infinity, 'high'],
];

/**
 * @param name as the upstream names the model
 * @throws ApiError 400 for what chat completions have no words for
 */
export function chatBody(name: string, messages: readonly ChatMessage[], options: ChatOptions): Body {
  const { tools, toolChoice, logprobs, maxTokens, stop = [], constraint, answerPrefix, prediction } = options;
  if (answerPrefix !== undefined)
    throw notElsewhere('messages', 'An answer that goes on from its beginning', 'End with a user message');
  const effort = effortOf(options);
  return {
    model: name,
    messages: messages.map(spoken),
    stream: true,
    stream_options: { include_usage: true },
    ...samplingOf(options),
    // Its older name is refused by some for models that reason.
    ...(maxTokens === undefined ? {} : { max_completion_tokens: maxTokens }),
    ...(stop.length > 0 ? { stop } : {}),
    ...(tools && tools.length > 0 ? { tools } : {}),
    ...(toolChoice ? { tool_choice: toChoice(toolChoice) } : {}),
    ...(effort ? { reasoning_effort: effort } : {}),
    ...(logprobs === undefined ? {} : { logprobs: true, top_logprobs: logprobs }),
    ...(constraint ? { response_format: toFormat(constraint) } : {}),
    ...(prediction === undefined ? {} : { prediction: { type: 'content', content: prediction } }),
  };
}

/** Chat completions have no place for thoughts, and some refuse what they do not know. */
function spoken({ reasoning_content: _, ...message }: ChatMessage): ChatMessage {
  return message;
}

/** What is as it is by default is left to the upstream: extensions are refused by some, whatever they say. */
function samplingOf({ sampling = {} }: ChatOptions): Body {
  const unlike = (name: string, value: unknown, neutral: unknown) =>
    value === undefined || value === neutral ? {} : { [name]: value };
  return {
    ...unlike('temperature', sampling.temperature, 1),
    ...unlike('top_p', sampling.topP, 1),
    ...unlike('top_k', sampling.topK, 0),
    ...unlike('min_p', sampling.minP, 0),
    ...unlike('repetition_penalty', sampling.repetitionPenalty, 1),
    ...unlike('presence_penalty', sampling.presencePenalty, 0),
    ...unlike('frequency_penalty', sampling.frequencyPenalty, 0),
    ...unlike('logit_bias', sampling.logitBias, undefined),
    ...unlike('seed', sampling.seed, undefined),
  };
}

function toChoice(choice: NonNullable<ChatOptions['toolChoice']>): unknown {
  return choice === 'required' ? choice : { type: 'function', function: { name: choice.name } };
}

function effortOf({ reasoningEffort, maxReasoningTokens: most }: ChatOptions): string | undefined {
  if (reasoningEffort !== undefined || !most) return reasoningEffort;
  return EFFORTS.find(([tokens]) => most <= tokens)?.[1];
}

function toFormat(constraint: Constraint): Body {
  if (constraint.type === 'json') return { type: 'json_object' };
  if (constraint.type === 'json_schema')
    return {
      type: 'json_schema',
      json_schema: { name: 'answer', schema: constraint.schema, strict: true },
    };
  throw notElsewhere(
    'response_format',
    `An answer held to a constraint '${constraint.type}'`,
    'Leave it out',
  );
}

export function notElsewhere(param: string, what: string, instead: string): ApiError {
  return new ApiError(
    400,
    `${what} is not possible with a model that an upstream computes. ${instead}, or ask for a model that is served here.`,
    { param, code: 'unsupported_parameter' },
  );
}
