/** `POST /v1/responses/input_tokens` on the wire. */

import { z } from 'zod';
import { responseRequestSchema } from './response-request.ts';

export const inputTokensRequestSchema = responseRequestSchema
  .pick({
    model: true,
    input: true,
    instructions: true,
    previous_response_id: true,
    conversation: true,
    tools: true,
    tool_choice: true,
    parallel_tool_calls: true,
    text: true,
    reasoning: true,
    truncation: true,
    chat_template_kwargs: true,
  })
  .extend({
    personality: z.string().nullish().describe('Refused: no model here has styles to choose from.'),
  });

export const inputTokensSchema = z.object({
  object: z.literal('response.input_tokens'),
  input_tokens: z.int(),
});

export type InputTokensRequest = z.infer<typeof inputTokensRequestSchema>;
export type InputTokens = z.infer<typeof inputTokensSchema>;
