/**
 * A model of an upstream in the form of one of the engine's, for what is put together here: other providers' wire formats,
 * tools that this server runs, answers that go on from what is kept. It is asked by chat completions, which all have.
 */

import type { ChatOptions, EngineStats, GenerateEvent, LanguageModel, ModelInfo } from '@steelyard/engine';
import type { ChatMessage } from '@steelyard/text';
import type { Call } from '../endpoint.ts';
import type { ApiError } from '../http/api-error.ts';
import { BYTES_PER_TOKEN } from '../queue/queues.ts';
import type { UpstreamFinish } from '../receipts/upstream-receipt.ts';
import { CHAT_PATH } from '../start-chat.ts';
import { usageAttributes } from '../telemetry/generation-watch.ts';
import { brokeOff } from './ask-upstream.ts';
import { chatBody, notElsewhere } from './chat-body.ts';
import { ChatReader } from './chat-reader.ts';
import type { Upstream } from './config.ts';
import { depart, factsOf } from './departure.ts';
import { AnswerReader } from './read-along.ts';
import { eventsIn } from './sse-events.ts';

/** Tokens that its context is taken to have, which it does not tell: what tools find is cut to fit. */
const CONTEXT_LENGTH = 32_768;
const BACKEND = 'upstream:';

export interface UpstreamModelPlan {
  readonly upstream: Upstream;
  /** As requests name it. */
  readonly name: string;
  /** As the upstream names it. */
  readonly sentName: string;
}

/** Nothing is known of its sampler, so that what other APIs have by default is left to it. */
export function isElsewhere({ backend }: ModelInfo): boolean {
  return backend.startsWith(BACKEND);
}

/** @param call whose answers it computes: what leaves is noted, traced and charged as its */
export function upstreamModel(call: Call<unknown>, plan: UpstreamModelPlan): LanguageModel {
  const guess = (value: unknown) => Math.ceil(JSON.stringify(value).length / BYTES_PER_TOKEN);
  return {
    info: {
      name: plan.name,
      architecture: 'unknown',
      parameterCount: 0,
      quantisation: 'unknown',
      contextLength: CONTEXT_LENGTH,
      vocabSize: Number.MAX_SAFE_INTEGER,
      backend: `${BACKEND}${plan.upstream.name}`,
      hasChatTemplate: true,
      callsTools: true,
      reasons: true,
    },
    chat: (messages, options = {}) => answer(call, plan, messages, options),
    complete() {
      throw notElsewhere('raw', 'A prompt without a chat template', "Leave 'raw' out");
    },
    // Its tokens are not known here.
    countTokens: (messages) => guess(messages),
    tokenize: (text) => Array.from({ length: guess(text) }, () => 0),
    detokenize() {
      throw notElsewhere('model', 'Text of tokens', 'Send text');
    },
    stats: () => NOTHING,
    dispose: () => Promise.resolve(),
  };
}

async function* answer(
  call: Call<unknown>,
  { upstream, name, sentName }: UpstreamModelPlan,
  messages: readonly ChatMessage[],
  options: ChatOptions,
): AsyncGenerator<GenerateEvent> {
  const signal = options.signal ?? call.signal;
  const sent = chatBody(sentName, messages, options);
  const departure = { upstream, path: CHAT_PATH, model: name, sent, signal };
  const asked = performance.now();
  const { response, streams, span } = await depart(call, departure);
  const along = new AnswerReader(JSON.stringify(sent).length);
  const chat = new ChatReader();
  let first = 0;
  let ended = false;
  let failure: ApiError | undefined;
  try {
    const body = along.through(response.body ?? new Response('').body!, streams);
    for await (const told of eventsIn(body, streams)) {
      first ||= performance.now();
      if ('error' in told) throw brokeOff(upstream, told['error']);
      yield* chat.take(told);
    }
    yield* chat.close();
    ended = true;
  } catch (error) {
    if (!signal.aborted) throw (failure = brokeOff(upstream, error));
    ended = true;
  } finally {
    const { usage } = along.read;
    span?.set(usageAttributes(usage));
    span?.end(failure ? { failure: 'upstream_broke_off' } : {});
    // What began was computed; an end that is told is charged by who hears it.
    if (!ended) call.services.charge(call.caller, { model: name, ...usage });
  }
  const { read } = along;
  const { reasoningTokens, ...end } = chat.end;
  const { inputTokens: promptTokens, cachedTokens, outputTokens: completionTokens } = read.usage;
  const finish: UpstreamFinish = {
    type: 'finish',
    ...end,
    ...(signal.aborted ? { reason: 'abort' as const } : {}),
    usage: {
      ...{ promptTokens, cachedTokens, completionTokens },
      ...(reasoningTokens === undefined ? {} : { reasoningTokens }),
    },
    timing: { queuedMs: 0, prefillMs: Math.max(0, first - asked), decodeMs: performance.now() - first },
    elsewhere: factsOf(departure, read),
  };
  yield finish;
}

const NOTHING: EngineStats = {
  running: 0,
  waiting: 0,
  pagesTotal: 0,
  pagesFree: 0,
  pagesCached: 0,
  promptTokensTotal: 0,
  cachedTokensTotal: 0,
  completionTokensTotal: 0,
  stepsTotal: 0,
  guessedTokensTotal: 0,
  rightGuessesTotal: 0,
  preemptionsTotal: 0,
  memory: { weights: 0, kv: 0, temporaries: 0 },
};
