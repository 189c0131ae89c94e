/** What the engine is asked for by a chat, whichever endpoint it comes through. */

import { randomUUID } from 'node:crypto';
import type { ChatOptions, Constraint } from '@steelyard/engine';
import { toGenerateOptions, type SamplingFields } from './schemas/sampling.ts';

export interface ChatAsk {
  readonly sampling: SamplingFields;
  /** Index among the answers of one request. */
  readonly choice: number;
  readonly maxTokens?: number | null | undefined;
  /** Alternatives per token, when log-probabilities are wanted. */
  readonly logprobs?: number | undefined;
  /** As chat completions have them, which is how templates do. */
  readonly tools?: readonly unknown[] | null | undefined;
  readonly toolChoice?: 'none' | 'auto' | 'required' | { readonly name: string } | null | undefined;
  readonly reasoningEffort?: string | null | undefined;
  /** Tokens of reasoning at most. */
  readonly maxReasoningTokens?: number | undefined;
  readonly templateVariables?: Readonly<Record<string, unknown>> | null | undefined;
  readonly constraint?: Constraint | undefined;
  /** What the answer may turn out to be. */
  readonly prediction?: string | undefined;
  readonly signal: AbortSignal;
}

export function toChatOptions(ask: ChatAsk): ChatOptions {
  const { toolChoice } = ask;
  const forced = toolChoice === 'required' || typeof toolChoice === 'object' ? toolChoice : undefined;
  return {
    ...toGenerateOptions(ask.sampling, ask.choice),
    ...(ask.maxTokens ? { maxTokens: ask.maxTokens } : {}),
    ...(ask.logprobs === undefined ? {} : { logprobs: ask.logprobs }),
    ...(ask.tools && toolChoice !== 'none' ? { tools: ask.tools } : {}),
    parseReply: true,
    ...(forced ? { toolChoice: forced } : {}),
    ...(ask.reasoningEffort ? { reasoningEffort: ask.reasoningEffort } : {}),
    ...(ask.maxReasoningTokens === undefined ? {} : { maxReasoningTokens: ask.maxReasoningTokens }),
    ...(ask.templateVariables ? { templateVariables: ask.templateVariables } : {}),
    ...(ask.constraint ? { constraint: ask.constraint } : {}),
    ...(ask.prediction === undefined ? {} : { prediction: ask.prediction }),
    signal: ask.signal,
  };
}

/** Without parallel calls, the first is the answer. @param calls made before this one */
export function mayCall(parallel: boolean | null | undefined, calls: number): boolean {
  return calls === 0 || parallel !== false;
}

/** Mistral's templates ask for nine characters; all others take any. */
export function newCallId(): string {
  return randomUUID().replaceAll('-', '').slice(0, 9);
}
