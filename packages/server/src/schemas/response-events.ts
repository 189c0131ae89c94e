/** Events of a streamed response. */

import { z } from 'zod';
import { outputItemSchema, reasoningPartSchema, textPartSchema } from './response-items.ts';
import { responseSchema } from './response-object.ts';
import { fileCitationSchema } from './tool-items.ts';

const numbered = { sequence_number: z.int() };
const withResponse = <T extends string>(type: T) =>
  z.object({ type: z.literal(type), response: responseSchema, ...numbered });

const ofItem = { output_index: z.int(), ...numbered };
const ofPart = { item_id: z.string(), content_index: z.int(), ...ofItem };
const withItem = <T extends string>(type: T) =>
  z.object({ type: z.literal(type), item: outputItemSchema, ...ofItem });
const ofTool = <T extends string>(type: T) =>
  z.object({ type: z.literal(type), item_id: z.string(), ...ofItem });
const part = z.discriminatedUnion('type', [textPartSchema, reasoningPartSchema]);
/** Without the bytes that they have in items: OpenAI's events have none. */
const logprobSchema = z.object({ token: z.string(), logprob: z.number() });
const logprobs = z.array(logprobSchema.extend({ top_logprobs: z.array(logprobSchema) }));

/** Random characters, with `stream_options.include_obfuscation`. */
const padding = { obfuscation: z.string().optional() };

export const responseEventSchema = z.discriminatedUnion('type', [
  withResponse('response.created'),
  withResponse('response.queued'),
  withResponse('response.in_progress'),
  withResponse('response.completed'),
  withResponse('response.incomplete'),
  withResponse('response.failed'),
  withItem('response.output_item.added'),
  withItem('response.output_item.done'),
  z.object({ type: z.literal('response.content_part.added'), part, ...ofPart }),
  z.object({ type: z.literal('response.content_part.done'), part, ...ofPart }),
  z.object({
    type: z.literal('response.output_text.delta'),
    delta: z.string(),
    logprobs,
    ...padding,
    ...ofPart,
  }),
  z.object({ type: z.literal('response.output_text.done'), text: z.string(), logprobs, ...ofPart }),
  z.object({ type: z.literal('response.reasoning_text.delta'), delta: z.string(), ...padding, ...ofPart }),
  z.object({ type: z.literal('response.reasoning_text.done'), text: z.string(), ...ofPart }),
  z.object({
    type: z.literal('response.function_call_arguments.delta'),
    item_id: z.string(),
    delta: z.string(),
    ...padding,
    ...ofItem,
  }),
  z.object({
    type: z.literal('response.function_call_arguments.done'),
    item_id: z.string(),
    name: z.string(),
    arguments: z.string(),
    ...ofItem,
  }),
  z.object({
    type: z.literal('response.output_text.annotation.added'),
    annotation: fileCitationSchema,
    annotation_index: z.int(),
    ...ofPart,
  }),
  ofTool('response.file_search_call.in_progress'),
  ofTool('response.file_search_call.searching'),
  ofTool('response.file_search_call.completed'),
  ofTool('response.mcp_list_tools.in_progress'),
  ofTool('response.mcp_list_tools.completed'),
  ofTool('response.mcp_list_tools.failed'),
  ofTool('response.mcp_call.in_progress'),
  ofTool('response.mcp_call_arguments.delta').extend({ delta: z.string(), ...padding }),
  ofTool('response.mcp_call_arguments.done').extend({ arguments: z.string() }),
  ofTool('response.mcp_call.completed'),
  ofTool('response.mcp_call.failed'),
  z.object({
    type: z.literal('error'),
    code: z.string().nullable(),
    message: z.string(),
    param: z.string().nullable(),
    ...numbered,
  }),
]);

export type ResponseEvent = z.infer<typeof responseEventSchema>;
export type EventLogprobs = z.infer<typeof logprobs>;
