/** `POST /v1/moderations`: texts judged by the model and under the policy that the server was given. */

import { randomUUID } from 'node:crypto';
import { defineEndpoint, type Call, type Services } from '../endpoint.ts';
import { startGeneration } from '../generation.ts';
import { ApiError, unsupported } from '../http/api-error.ts';
import { DEFAULT_POLICY, judgeMessages, toResult, VERDICT } from '../moderation/judge.ts';
import type { ModerationOptions } from '../options.ts';
import {
  moderationRequestSchema,
  moderationResponseSchema,
  type ModerationRequest,
  type ModerationResponse,
} from '../schemas/moderations.ts';

const PATH = '/v1/moderations';
/** OpenAI's models, which mean the configured one here. */
const ALIASES = /^(omni|text)-moderation-/;
/** Tokens that a verdict never needs. */
const MAX_TOKENS = 400;

export const moderations = defineEndpoint({
  method: 'POST',
  path: PATH,
  summary: 'Whether texts are harmful, by category, with scores.',
  request: moderationRequestSchema,
  response: moderationResponseSchema,
  async handle(call: Call<ModerationRequest>) {
    const { model, policy = DEFAULT_POLICY } = moderationFor(call.services, call.body.model);
    const texts = textsOf(call.body.input);
    const generation = await startGeneration(call, {
      model,
      endpoint: PATH,
      usageKind: 'moderations',
      promptParam: 'input',
      sequences: texts.length,
      maxTokens: MAX_TOKENS,
      start: (judge, signal) =>
        texts.map((text) =>
          judge.chat(judgeMessages(policy, text), {
            sampling: { temperature: 0 },
            constraint: VERDICT,
            maxTokens: MAX_TOKENS,
            parseReply: true,
            signal,
          }),
        ),
    });
    const verdicts = texts.map(() => '');
    for await (const { index, event } of generation.events) {
      if (event.type === 'text') verdicts[index] += event.text;
      if (event.type === 'finish' && event.reason === 'length') throw cutOff(model);
    }
    const body: ModerationResponse = {
      id: `modr-${randomUUID().replaceAll('-', '')}`,
      model: generation.model.info.name,
      results: verdicts.map(toResult),
    };
    return Response.json(body);
  },
});

/** @throws ApiError 501 where nothing moderates; 404 for a model that does not */
export function moderationFor(
  { moderation }: Pick<Services, 'moderation'>,
  model: string | null | undefined,
): ModerationOptions {
  if (!moderation) {
    throw new ApiError(
      501,
      'No model for moderation is configured. Name a served one: steelyard serve --moderation-model MODEL.',
      { code: 'moderation_not_configured' },
    );
  }
  if (!model || ALIASES.test(model) || model === moderation.model) return moderation;
  throw new ApiError(
    404,
    `The model '${model}' does not moderate here; '${moderation.model}' does. Name it, or leave the model out.`,
    { param: 'model', code: 'model_not_found' },
  );
}

/** Parts are of one text. */
function textsOf(input: ModerationRequest['input']): readonly string[] {
  if (typeof input === 'string') return [input];
  const parts = input.map((part, i) => {
    if (typeof part === 'string') return part;
    if (part.type === 'text') return part.text;
    throw unsupported(`input[${i}]`, 'Judging images', "Send parts of type 'text' only.");
  });
  return typeof input[0] === 'string' ? parts : [parts.join('\n')];
}

function cutOff(model: string): ApiError {
  return new ApiError(503, `The model '${model}' did not come to a verdict within ${MAX_TOKENS} tokens.`, {
    code: 'moderation_failed',
  });
}
