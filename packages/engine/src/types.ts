/** The engine's public vocabulary: what a request asks, what comes back. Servers and commands know only this. */

import type { CacheDType } from '@steelyard/graph';
import type { ChatMessage, Infill, ReplyFormat, ToolCall } from '@steelyard/text';
import type { Constraint } from './constraint/constraint.ts';
import type { ThoughtLimit } from './constraint/thought-limit-judge.ts';

/** How the next token is chosen. Applied in this order: bias, penalties, temperature, top-k, top-p, min-p. */
export interface SamplingOptions {
  /** 0 is greedy. Default 1. */
  readonly temperature?: number;
  /** Keep the k likeliest tokens; 0 keeps all. Default 0. */
  readonly topK?: number;
  /** Keep the smallest set whose probability, of what top-k left, reaches p. Default 1. */
  readonly topP?: number;
  /** Drop tokens less likely than this share of the likeliest. Default 0. */
  readonly minP?: number;
  /** Divides positive and multiplies negative logits of tokens seen in prompt or answer. Default 1. */
  readonly repetitionPenalty?: number;
  /** Subtracted once from logits of tokens already answered. Default 0. */
  readonly presencePenalty?: number;
  /** Subtracted per occurrence in the answer. Default 0. */
  readonly frequencyPenalty?: number;
  /** Added to logits, by token id. */
  readonly logitBias?: Readonly<Record<number, number>>;
  /** Same seed, same model, same backend: same answer. Random when absent. */
  readonly seed?: number;
}

export interface GenerateOptions {
  readonly sampling?: SamplingOptions;
  /** Tokens to answer with at most; default what the context leaves. */
  readonly maxTokens?: number;
  /** Strings that end the answer and are not part of it. */
  readonly stop?: readonly string[];
  /** Continue past end-of-sequence tokens, which are not part of the text. Default false. */
  readonly ignoreEos?: boolean;
  /** Further token ids that end the answer, as end-of-sequence tokens do. */
  readonly endTokens?: readonly number[];
  /** Report the log-probability of each token and of this many alternatives (0 to 20). */
  readonly logprobs?: number;
  /**
   * Also report log-probabilities of the prompt's tokens but the first, which nothing predicts (`promptLogprobs`
   * event). Such a prompt is computed whole, without the prefix cache.
   */
  readonly promptLogprobs?: boolean;
  /** What the answer may turn out to be, whole or in large parts: it then comes sooner, and is the same in any case. */
  readonly prediction?: string;
  /** What the whole answer must match. It then ends where it is complete, or with reason `length`. */
  readonly constraint?: Constraint;
  /** How the answer marks reasoning and calls of tools, which then come as events of their own. Default: all is text. */
  readonly reply?: ReplyFormat;
  /** With `reply`: how much reasoning there may be, and what is written where it must end. */
  readonly thoughtLimit?: ThoughtLimit;
  /** Report with the end what was computed from what, so that it can be computed again. Default false. */
  readonly trace?: boolean;
  readonly signal?: AbortSignal;
}

export interface TokenLogprob {
  readonly id: number;
  /** The token's bytes as text; half characters show as U+FFFD. Special tokens show as themselves. */
  readonly text: string;
  readonly bytes: Uint8Array;
  /** Natural logarithm, before temperature and cuts. */
  readonly logprob: number;
  readonly top: readonly {
    readonly id: number;
    readonly text: string;
    readonly bytes: Uint8Array;
    readonly logprob: number;
  }[];
}

/** What an answer was computed from, and every token of it: `complete(prompt, options)` computes it again. */
export interface Trace {
  readonly prompt: readonly number[];
  /** With the token that ended it, where one did. */
  readonly answer: readonly number[];
  /** `reply` only where it decides what comes: with `thoughtLimit`. */
  readonly options: Pick<
    GenerateOptions,
    'maxTokens' | 'stop' | 'ignoreEos' | 'endTokens' | 'constraint' | 'thoughtLimit' | 'reply'
  > & {
    readonly sampling: SamplingOptions & { readonly seed: number };
  };
}

export type FinishReason = 'stop' | 'length' | 'abort';

export interface Usage {
  readonly promptTokens: number;
  /** Prompt tokens whose keys and values came from the prefix cache. */
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** Of these, tokens of reasoning; only where `reply` tells it apart. */
  readonly reasoningTokens?: number;
  /** With `prediction`: tokens of it that were computed ahead and came, and those that did not. */
  readonly predictedTokens?: { readonly accepted: number; readonly rejected: number };
}

export interface Timing {
  /** Milliseconds in the queue before the first step. */
  readonly queuedMs: number;
  /** Milliseconds from first step to first token. */
  readonly prefillMs: number;
  /** Milliseconds from first to last token. */
  readonly decodeMs: number;
}

/** A request's events in order: promptLogprobs?, then text, reasoning and calls as they come, then exactly one finish. */
export type GenerateEvent =
  | { readonly type: 'promptLogprobs'; readonly tokens: readonly TokenLogprob[] }
  | {
      readonly type: 'text';
      /** Whole characters only; may cover several tokens, held back while a stop string may begin. */
      readonly text: string;
      /** Ids of the tokens that completed since the last text event. */
      readonly tokens: readonly number[];
      readonly logprobs?: readonly TokenLogprob[];
    }
  | {
      /** Thoughts ahead of the answer; tokens of the marks around them count here. */
      readonly type: 'reasoning';
      readonly text: string;
      readonly tokens: readonly number[];
    }
  | {
      /** More of a call's arguments while they are written, its name with the first; the call comes whole later. */
      readonly type: 'toolCallDelta';
      readonly index: number;
      readonly name?: string;
      readonly arguments: string;
    }
  /** A whole call; `index` is that of its deltas, where there were any. */
  | ({ readonly type: 'toolCall'; readonly index: number } & ToolCall)
  | {
      readonly type: 'finish';
      readonly reason: FinishReason;
      /** The stop string that ended it, if one did. */
      readonly stop?: string;
      readonly usage: Usage;
      readonly timing: Timing;
      /** Where it was asked for. */
      readonly trace?: Trace;
    };

export interface ChatOptions extends GenerateOptions {
  /**
   * JSON Schema function tools, handed to the template.
   * @throws RequestError, with `parseReply`, for a model whose calls cannot be told from its text
   */
  readonly tools?: readonly unknown[];
  /**
   * With `tools` and `parseReply`: the answer is a call, of any of them or of the one named, whose arguments are valid
   * under its parameters; a model that reasons may do so first.
   * @throws RequestError for a model that cannot be held to it, or parameters that cannot
   */
  readonly toolChoice?: 'required' | { readonly name: string };
  /**
   * Tell reasoning and calls of tools from text, by the model's own marks. Default false. Under a constraint a model that
   * reasons may do so first, and one whose calls have a mark may make a call instead; without this the constraint holds
   * all that it writes.
   */
  readonly parseReply?: boolean;
  /**
   * How much to think, in the words of the template (`low`, `medium`, `high`), or `none` where thinking can be turned off.
   * @throws RequestError where the template knows no such thing
   */
  readonly reasoningEffort?: string;
  /** With `parseReply`: tokens of reasoning, after which the model must come to its answer; nothing where it does not reason. */
  readonly maxReasoningTokens?: number;
  /** Extra variables for the template (`enable_thinking`, ...). */
  readonly templateVariables?: Readonly<Record<string, unknown>>;
  /**
   * How the answer begins; what is generated goes on from it. It is no part of the events.
   * @throws RequestError together with a constraint or `toolChoice`, which hold the whole answer
   */
  readonly answerPrefix?: string;
}

/** Facts shown by `show`, `/v1/models` and the chat page. */
export interface ModelInfo {
  readonly name: string;
  readonly architecture: string;
  readonly parameterCount: number;
  readonly quantisation: string;
  /** Tokens that a sequence may have here: the model's, or less by the memory budget. */
  readonly contextLength: number;
  readonly vocabSize: number;
  readonly backend: string;
  /** Storage format of the KV cache; absent for models that others compute. */
  readonly kvDType?: CacheDType;
  readonly hasChatTemplate: boolean;
  /** Jinja source of its chat template, where it has one in that form. */
  readonly chatTemplate?: string;
  /** Whether its calls of tools can be told from its text. Default false. */
  readonly callsTools?: boolean;
  /** Whether it thinks first, as its template shows. Default false. */
  readonly reasons?: boolean;
}

/** Where a model comes from, and what computes it: digests as SHA-256 in hex. */
export interface ModelOrigin {
  /** Over the digests and names of its files. */
  readonly weights?: string;
  /** Of the chat template. */
  readonly template?: string;
  /** Set of kernels that the processor got. */
  readonly level?: string;
}

export interface EngineStats {
  readonly running: number;
  readonly waiting: number;
  readonly pagesTotal: number;
  readonly pagesFree: number;
  /** Pages that no request uses, kept for prefix reuse. */
  readonly pagesCached: number;
  readonly promptTokensTotal: number;
  readonly cachedTokensTotal: number;
  readonly completionTokensTotal: number;
  readonly stepsTotal: number;
  /** Tokens computed ahead because they were likely to come, and those of them that came. */
  readonly guessedTokensTotal: number;
  readonly rightGuessesTotal: number;
  readonly preemptionsTotal: number;
  /** Bytes by purpose; `kv` is all that sequences keep: keys, values and recurrent states. */
  readonly memory: { readonly weights: number; readonly kv: number; readonly temporaries: number };
}

/** One loaded model: tokenizer, template, engine. Everything that serves people holds one of these. */
export interface LanguageModel {
  readonly info: ModelInfo;
  /** Streams a chat answer. Errors (too long, no template) are thrown on the first `next()`. */
  chat(messages: readonly ChatMessage[], options?: ChatOptions): AsyncIterable<GenerateEvent>;
  /** Streams the continuation of a text or of token ids. */
  complete(prompt: string | readonly number[], options?: GenerateOptions): AsyncIterable<GenerateEvent>;
  /**
   * Tokens of the prompt that `chat` makes of these.
   * @throws RequestError as `chat` does, and where they are more than the context has
   */
  countTokens(messages: readonly ChatMessage[], options?: ChatOptions): number;
  /** Of a text with more tokens than the context, more than that, but not all. */
  tokenize(text: string, options?: { addSpecial?: boolean; parseSpecial?: boolean }): number[];
  /** @param options `skipSpecial`: special tokens are left out. Default true. */
  detokenize(ids: readonly number[], options?: { skipSpecial?: boolean }): string;
  /**
   * What `complete` is given so that its answer belongs between the texts; undefined, like the method, where the model
   * cannot do that.
   */
  infill?(before: string, after: string): Infill | undefined;
  stats(): EngineStats;
  /** Computed at the first call; files that the store does not know are read whole. */
  origin?(): Promise<ModelOrigin>;
  /** Aborts what runs and frees all memory. */
  dispose(): Promise<void>;
}
