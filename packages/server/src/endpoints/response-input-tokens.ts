/** `POST /v1/responses/input_tokens`: how long a response's prompt would be; and what there is not, `compact`. */

import { defineEndpoint, type Call } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import { countInput } from '../responses/count-input.ts';
import { RESPONSES_PATH } from '../responses/start-response.ts';
import {
  inputTokensRequestSchema,
  inputTokensSchema,
  type InputTokens,
  type InputTokensRequest,
} from '../schemas/input-tokens.ts';

export const countInputTokens = defineEndpoint({
  method: 'POST',
  path: `${RESPONSES_PATH}/input_tokens`,
  summary: 'Tokens of the prompt that a response would begin with: what was said, tools and the template.',
  request: inputTokensRequestSchema,
  response: inputTokensSchema,
  async handle(call: Call<InputTokensRequest>) {
    const body: InputTokens = { object: 'response.input_tokens', input_tokens: await countInput(call) };
    return Response.json(body);
  },
});

export const compactResponse = defineEndpoint({
  method: 'POST',
  path: `${RESPONSES_PATH}/compact`,
  summary: 'Not supported, and answered so: what was said is kept as it was said.',
  handle() {
    throw new ApiError(
      400,
      'Compacting a conversation is not supported by this server yet. ' +
        "Set 'truncation' to 'auto' to leave out the oldest turns, or ask a model for a summary and go on from that.",
      { code: 'unsupported_endpoint' },
    );
  },
});
